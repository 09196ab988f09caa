import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Bars } from "./chart";
import { Answer, Choice } from "./controls";
import { compact, sum } from "./format";

const PERIODS = [
  { label: "1 hour", value: 1 },
  { label: "1 day", value: 24 },
  { label: "7 days", value: 24 * 7 },
];

/** What became of every event: the ledger, dead letters, warnings. */
export function Health({ team }: { team: api.Team }) {
  return (
    <>
      <LedgerCard team={team} />
      <Letters team={team} />
      <WarningsCard team={team} />
    </>
  );
}

function LedgerCard({ team }: { team: api.Team }) {
  const [hours, setHours] = useState<number>(1);
  const ledger = useQuery({
    queryKey: ["ledger", team.id, hours],
    queryFn: () => api.ledger(team.id, new Date(Date.now() - hours * 3_600_000)),
    refetchInterval: 5_000,
  });
  return (
    <section className="card" aria-label="Ledger">
      <div className="controls">
        <h2>What became of every event</h2>
        <span className="spacer" />
        <Choice label="Period" options={PERIODS} chosen={hours} onChoose={setHours} />
      </div>
      <Answer of={ledger}>
        {({ health, total, results }) => (
          <>
            <p>
              <span className={health.state === "balanced" ? "badge good" : "badge"}>{health.state}</span> {meaning(health.state)}
            </p>
            <dl className="figures">
              <Figure name="received" value={total.received} />
              <Figure name="visible" value={total.visible} />
              <Figure name="on their way" value={total.in_flight} />
              <Figure name="duplicates" value={total.duplicate} />
              <Figure name="refused" value={sum(total.refused)} />
              <Figure name="dropped by rule" value={sum(total.dropped)} />
              <Figure name="dead letters" value={sum(total.dead_lettered)} />
              <Figure name="unaccounted for" value={total.residue} />
              <div>
                <dt>data loss</dt>
                <dd>{total.data_loss_percent} %</dd>
              </div>
            </dl>
            <Reasons figures={total} />
            {results.length > 1 && <Bars series={byFate(results)} label="Bar chart of events by what became of them" />}
          </>
        )}
      </Answer>
    </section>
  );
}

function meaning(state: api.Ledger["health"]["state"]): string {
  switch (state) {
    case "balanced":
      return "Every event that was received is accounted for.";
    case "replaying":
      return "The server has just started and reads again what was not written out; the account balances in a moment.";
    case "alarm":
      return "The account does not balance. Run aqueduct audit, which names the events, and see the server's log.";
  }
}

function Figure({ name, value }: { name: string; value: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{compact(value)}</dd>
    </div>
  );
}

function Reasons({ figures }: { figures: api.Figures }) {
  const kinds = [
    ["refused", figures.refused],
    ["dropped", figures.dropped],
    ["dead letter", figures.dead_lettered],
  ] as const;
  const rows = kinds.flatMap(([kind, reasons]) => Object.entries(reasons).map(([reason, count]) => ({ kind, reason, count })));
  if (rows.length === 0) {
    return null;
  }
  return (
    <table className="plain">
      <tbody>
        {rows.map(({ kind, reason, count }) => (
          <tr key={kind + reason}>
            <td>{kind}</td>
            <td>{reason.replaceAll("_", " ")}</td>
            <td className="number">{compact(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function byFate(rows: api.Ledger["results"]): api.TrendSeries[] {
  const fates: [string, (row: api.Figures) => number][] = [
    ["visible", (row) => row.visible],
    ["duplicate", (row) => row.duplicate],
    ["refused", (row) => sum(row.refused)],
    ["dropped", (row) => sum(row.dropped)],
    ["dead letter", (row) => sum(row.dead_lettered)],
  ];
  const labels = rows.map((row) => row.start.slice(5, 16).replace("T", " "));
  const series = fates.map(([label, of]) => ({ label, labels, days: [], data: rows.map(of), count: rows.reduce((all, row) => all + of(row), 0) }));
  return series.filter((one) => one.count > 0);
}

function Letters({ team }: { team: api.Team }) {
  const client = useQueryClient();
  const letters = useQuery({ queryKey: ["letters", team.id], queryFn: () => api.letters(team.id), refetchInterval: 10_000 });
  const act = useMutation({
    mutationFn: ({ what, letter }: { what: "replay" | "discard"; letter: string }) => api[what](team.id, letter),
    onSettled: () => client.invalidateQueries({ queryKey: ["letters", team.id] }),
  });
  return (
    <section className="card" aria-label="Dead letters">
      <h2>Dead letters</h2>
      {act.error && (
        <p className="error" role="alert">
          {act.error.message}
        </p>
      )}
      <Answer of={letters}>
        {({ count, results }) =>
          count === 0 ? (
            <p className="hint">None: every event could be processed.</p>
          ) : (
            <ul className="letters">
              {results.map((letter) => (
                <li key={letter.id}>
                  <div>
                    <strong>{letter.event || "(unreadable)"}</strong> <span className="id">{letter.distinct_id}</span>{" "}
                    <span className="hint">{letter.received_at}</span>
                  </div>
                  <div>
                    {letter.explanation} <span className="hint">{letter.detail}</span>
                  </div>
                  <div className="hint">{letter.remedy}</div>
                  <div className="controls">
                    <button className="quiet" disabled={act.isPending} onClick={() => act.mutate({ what: "replay", letter: letter.id })}>
                      Replay{letter.replays > 0 && ` (${letter.replays} in vain)`}
                    </button>
                    <button className="quiet" disabled={act.isPending} onClick={() => act.mutate({ what: "discard", letter: letter.id })}>
                      Discard
                    </button>
                  </div>
                </li>
              ))}
            </ul>
          )
        }
      </Answer>
    </section>
  );
}

function WarningsCard({ team }: { team: api.Team }) {
  const warnings = useQuery({ queryKey: ["warnings", team.id], queryFn: () => api.warnings(team.id), refetchInterval: 30_000 });
  return (
    <section className="card" aria-label="Warnings">
      <h2>Ingestion warnings of the last 30 days</h2>
      <Answer of={warnings}>
        {(kinds) =>
          kinds.length === 0 ? (
            <p className="hint">None.</p>
          ) : (
            <table className="plain">
              <tbody>
                {kinds.map((kind) => (
                  <tr key={kind.type}>
                    <td>{kind.type.replaceAll("_", " ")}</td>
                    <td className="number">{compact(kind.count)}</td>
                    <td className="hint">{JSON.stringify(kind.warnings[0]?.details ?? {})}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Answer>
    </section>
  );
}
