import { useMutation } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import * as api from "./api";
import { cell, csv } from "./format";

const EXAMPLE = `SELECT properties.$browser AS browser, count() AS events, count(DISTINCT person_id) AS people
FROM events
WHERE timestamp > now() - INTERVAL 7 DAY
GROUP BY browser
ORDER BY events DESC`;

/** Questions in SQL. */
export function Sql({ team }: { team: api.Team }) {
  const [text, setText] = useState(EXAMPLE);
  const asked = useMutation({
    mutationFn: async (query: string) => {
      const began = performance.now();
      const table = await api.sql(team.id, query);
      return { ...table, millis: performance.now() - began };
    },
  });
  const onKey = (key: KeyboardEvent) => {
    if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) {
      asked.mutate(text);
    }
  };
  return (
    <section className="card wide" aria-label="SQL">
      <textarea aria-label="Query" rows={7} spellCheck={false} value={text} onChange={(change) => setText(change.target.value)} onKeyDown={onKey} />
      <div className="controls">
        <button disabled={asked.isPending} onClick={() => asked.mutate(text)}>
          {asked.isPending ? "Asking…" : "Run"}
        </button>
        <span className="hint">Ctrl+Enter. Tables: events, persons, groups, sessions, person_distinct_ids.</span>
      </div>
      {asked.error && (
        <p className="error" role="alert">
          {asked.error.message}
        </p>
      )}
      {asked.data && <Rows table={asked.data} millis={asked.data.millis} />}
    </section>
  );
}

function Rows({ table, millis }: { table: api.Table; millis: number }) {
  const file = `data:text/csv;charset=utf-8,${encodeURIComponent(csv(table.columns, table.results))}`;
  return (
    <>
      <p className="hint">
        {table.results.length} rows{table.hasMore ? ", and more" : ""} in {millis.toFixed(0)} ms ·{" "}
        <a href={file} download="result.csv">
          CSV
        </a>
      </p>
      <table className="plain">
        <thead>
          <tr>
            {table.columns.map((column, at) => (
              <th key={column} className={typeof table.results[0]?.[at] === "number" ? "number" : undefined}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.results.map((row, index) => (
            <tr key={index}>
              {row.map((value, at) => (
                <td key={table.columns[at]} className={typeof value === "number" ? "number" : undefined}>
                  {cell(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
