import { useQuery, useQueryClient } from "@tanstack/react-query";
import * as api from "./api";
import { Live } from "./live";
import { SignIn } from "./session";
import { Snippet } from "./snippet";
import { Trend } from "./trend";

export function App() {
  const client = useQueryClient();
  const me = useQuery({ queryKey: ["me"], queryFn: api.me, retry: false });
  if (me.isPending) {
    return <p className="hint">Loading…</p>;
  }
  if (me.error instanceof api.ApiError && [401, 403].includes(me.error.status)) {
    return <SignIn onDone={() => client.invalidateQueries({ queryKey: ["me"] })} />;
  }
  if (me.error) {
    return (
      <p className="error" role="alert">
        The server cannot be reached: {me.error.message} <button onClick={() => me.refetch()}>Try again</button>
      </p>
    );
  }
  const leave = async () => {
    await api.signOut();
    // Back to "not asked yet", so that the sign-in form comes and nothing of the session stays.
    client.removeQueries({ predicate: (query) => query.queryKey[0] !== "me" });
    await client.resetQueries({ queryKey: ["me"] });
  };
  const team = me.data.team;
  return (
    <>
      <header>
        <h1>
          <span aria-hidden="true">⌒</span> Aqueduct
        </h1>
        <span className="project">{team.name}</span>
        <span className="spacer" />
        <span className="who">{me.data.email}</span>
        <button className="quiet" onClick={leave}>
          Sign out
        </button>
      </header>
      <main>
        <Trend team={team} />
        <Live team={team} />
        <Snippet team={team} />
      </main>
    </>
  );
}
