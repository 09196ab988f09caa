import { type FormEvent, useState } from "react";
import * as api from "./api";

/** Makes the first user when the address carries a set-up token, else signs in. */
export function SignIn({ onDone }: { onDone: () => void }) {
  const setupToken = window.location.pathname.startsWith("/setup") ? new URLSearchParams(window.location.search).get("token") : null;
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const email = String(form.get("email"));
    const password = String(form.get("password"));
    setBusy(true);
    setProblem(null);
    try {
      await (setupToken ? api.setUp(setupToken, email, password) : api.signIn(email, password));
      window.history.replaceState(null, "", "/");
      onDone();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className="card sign-in" onSubmit={submit}>
      <h1>Aqueduct</h1>
      <p className="hint">
        {setupToken
          ? "Make the first user of this installation."
          : "Sign in. The first user is made at the address that the server printed at its first start."}
      </p>
      <label>
        Email
        <input name="email" type="email" required autoFocus autoComplete="username" />
      </label>
      <label>
        Password
        <input name="password" type="password" required minLength={8} autoComplete={setupToken ? "new-password" : "current-password"} />
      </label>
      {problem && (
        <p className="error" role="alert">
          {problem}
        </p>
      )}
      <button disabled={busy}>{setupToken ? "Make user" : "Sign in"}</button>
    </form>
  );
}
