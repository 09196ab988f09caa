import { useEffect, useState } from "react";
import type { LiveEvent, Team } from "./api";
import { clock, summary } from "./format";

const ROWS_MAX = 100;

/** Events as they arrive. */
export function Live({ team }: { team: Team }) {
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const [connected, setConnected] = useState(false);
  const [open, setOpen] = useState<string | null>(null);

  useEffect(() => {
    const source = new EventSource(`/api/projects/${team.id}/live/`);
    source.onopen = () => setConnected(true);
    // The browser connects again by itself.
    source.onerror = () => setConnected(false);
    source.onmessage = (message) => {
      const event = JSON.parse(message.data as string) as LiveEvent;
      setEvents((before) => [event, ...before.filter((other) => other.uuid !== event.uuid)].slice(0, ROWS_MAX));
    };
    return () => source.close();
  }, [team.id]);

  return (
    <section className="card live" aria-label="Live events">
      <h2>
        Live events <span className={connected ? "lamp on" : "lamp"} title={connected ? "connected" : "connecting"} />
      </h2>
      {events.length === 0 ? (
        <p className="hint">Nothing has arrived since this page was opened. Send an event with the snippet below.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Time</th>
              <th>Event</th>
              <th>Who</th>
              <th>What</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <Row key={event.uuid} event={event} isOpen={open === event.uuid} onToggle={() => setOpen(open === event.uuid ? null : event.uuid)} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ event, isOpen, onToggle }: { event: LiveEvent; isOpen: boolean; onToggle: () => void }) {
  return (
    <>
      <tr onClick={onToggle} className="clickable" aria-expanded={isOpen}>
        <td className="time">{clock(event.timestamp)}</td>
        <td>{event.event}</td>
        <td className="id">{event.distinct_id}</td>
        <td className="what">{summary(event.properties)}</td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={4}>
            <pre>{JSON.stringify({ uuid: event.uuid, person_id: event.person_id, properties: event.properties }, null, 2)}</pre>
          </td>
        </tr>
      )}
    </>
  );
}
