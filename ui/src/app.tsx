import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ComponentType } from "react";
import * as api from "./api";
import { Funnel } from "./funnel";
import { Health } from "./health";
import { Lifecycle } from "./lifecycle";
import { Live } from "./live";
import { Paths } from "./paths";
import { Retention } from "./retention";
import { go, usePath } from "./route";
import { SignIn } from "./session";
import { Snippet } from "./snippet";
import { Sql } from "./sql";
import { Where } from "./trace";
import { Trend } from "./trend";

/** The pages, in the order of the navigation. */
const PAGES: { path: string; name: string; page: ComponentType<{ team: api.Team }> }[] = [
  { path: "/", name: "Trends", page: Home },
  { path: "/funnels", name: "Funnels", page: Funnel },
  { path: "/retention", name: "Retention", page: Retention },
  { path: "/paths", name: "Paths", page: Paths },
  { path: "/lifecycle", name: "Lifecycle", page: Lifecycle },
  { path: "/sql", name: "SQL", page: Sql },
  { path: "/trace", name: "Where is my event?", page: Where },
  { path: "/health", name: "Health", page: Health },
];

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
  return <Pages me={me.data} onLeave={leave} />;
}

function Pages({ me, onLeave }: { me: api.Me; onLeave: () => void }) {
  const path = usePath();
  const shown = PAGES.find((page) => page.path === path) ?? PAGES[0];
  const Page = shown?.page ?? Home;
  return (
    <>
      <header>
        <h1>
          <span aria-hidden="true">⌒</span> Aqueduct
        </h1>
        <span className="project">{me.team.name}</span>
        <nav>
          {PAGES.map((page) => (
            <a
              key={page.path}
              href={page.path}
              aria-current={page === shown ? "page" : undefined}
              onClick={(click) => {
                click.preventDefault();
                go(page.path);
              }}
            >
              {page.name}
            </a>
          ))}
        </nav>
        <span className="spacer" />
        <span className="who">{me.email}</span>
        <button className="quiet" onClick={onLeave}>
          Sign out
        </button>
      </header>
      <main>
        <Page team={me.team} />
      </main>
    </>
  );
}

function Home({ team }: { team: api.Team }) {
  return (
    <>
      <Trend team={team} />
      <Live team={team} />
      <Snippet team={team} />
    </>
  );
}
