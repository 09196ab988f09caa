import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import * as api from "./api";
import { Answer } from "./controls";
import { go } from "./route";

/** Where an event is, or why it never came. The id stands in the address, so that the answer can be sent to somebody. */
export function Where({ team }: { team: api.Team }) {
  const [id, setId] = useState(new URLSearchParams(window.location.search).get("id") ?? "");
  const [asked, setAsked] = useState(id);
  const trace = useQuery({ queryKey: ["trace", team.id, asked], queryFn: () => api.trace(team.id, asked), enabled: asked !== "", gcTime: 0 });
  const ask = (event: FormEvent) => {
    event.preventDefault();
    const wanted = id.trim();
    go(`/trace?id=${encodeURIComponent(wanted)}`);
    if (wanted === asked) {
      void trace.refetch();
    }
    setAsked(wanted);
  };
  return (
    <section className="card" aria-label="Where is my event?">
      <h2>Where is my event?</h2>
      <form className="controls" onSubmit={ask}>
        <input aria-label="uuid or distinct id" className="id" size={44} placeholder="uuid of an event, or a distinct id" value={id} onChange={(change) => setId(change.target.value)} />
        <button disabled={id.trim() === ""}>Find</button>
      </form>
      {asked !== "" && (
        <Answer of={trace}>
          {(found) => (
            <>
              <Said verdict={found.verdict} words={found.words} remedy={found.remedy} />
              {found.events.map((event) => (
                <Event key={event.uuid + event.verdict} event={event} />
              ))}
              {found.hints.length > 0 && (
                <ul className="hints">
                  {found.hints.map((hint) => (
                    <li key={hint.kind + hint.words}>
                      {hint.words} <span className="hint">{hint.remedy}</span>
                    </li>
                  ))}
                </ul>
              )}
            </>
          )}
        </Answer>
      )}
    </section>
  );
}

function Said({ verdict, words, remedy }: { verdict: string; words: string; remedy: string }) {
  return (
    <p>
      <span className={verdict === "visible" ? "badge good" : "badge"}>{verdict.replaceAll("_", " ")}</span> {words}{" "}
      {verdict !== "visible" && <span className="hint">{remedy}</span>}
    </p>
  );
}

function Event({ event }: { event: api.Traced }) {
  return (
    <article className="traced">
      <h3>
        {event.event || "(no name)"} <span className="id hint">{event.uuid}</span>
      </h3>
      {event.verdict !== "visible" && <Said verdict={event.verdict} words={event.words} remedy={event.remedy} />}
      {event.detail && <p className="hint">{event.detail}</p>}
      <ol className="stages">
        {event.stages.map((stage) => (
          <li key={stage.stage} className={stage.passed ? "passed" : "stopped"}>
            <strong>{stage.stage}</strong> {stage.words}
          </li>
        ))}
      </ol>
      {event.received && (
        <p className="hint">
          {event.received.sdk || event.received.agent} from {event.received.client_address}, {event.received.path}, answered {event.received.status}
          {event.person && ` · person ${event.person.id}`}
        </p>
      )}
    </article>
  );
}
