import { useState } from "react";
import type { Team } from "./api";

/** What to paste into an application so that its events arrive here. */
export function Snippet({ team }: { team: Team }) {
  const [copied, setCopied] = useState(false);
  const text = snippetFor(window.location.origin, team.api_token);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    window.setTimeout(() => setCopied(false), 2000);
  };
  return (
    <section className="card" aria-label="Snippet">
      <h2>
        Send events <button className="quiet" onClick={copy}>{copied ? "Copied" : "Copy"}</button>
      </h2>
      <p className="hint">Paste this into a page, or point any PostHog SDK at this address with this token.</p>
      <pre className="snippet">{text}</pre>
    </section>
  );
}

export function snippetFor(host: string, token: string): string {
  return `<script src="${host}/static/array.js"></script>
<script>
  posthog.init("${token}", { api_host: "${host}", person_profiles: "always" });
  posthog.capture("hello", { from: "the snippet" });
</script>`;
}
