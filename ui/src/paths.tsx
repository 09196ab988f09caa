import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Flow } from "./chart";
import { Answer, RANGES, RangeChoice, type Range } from "./controls";
import { stepName } from "./format";

/** Which pages people go to from which. */
export function Paths({ team }: { team: api.Team }) {
  const [start, setStart] = useState("");
  const [range, setRange] = useState<Range>(RANGES[1]);
  const paths = useQuery({
    queryKey: ["paths", team.id, start, range],
    queryFn: () => api.paths(team.id, start || null, range.dateFrom),
    placeholderData: keepPreviousData,
  });
  // The pages of the first step are where a path can start.
  const known = [...new Set((paths.data ?? []).map((edge) => edge.source).filter((name) => name.startsWith("1_")))];
  const urls = known.map((name) => name.slice(2));
  return (
    <section className="card" aria-label="Paths">
      <div className="controls">
        <select aria-label="Start" value={start} onChange={(change) => setStart(change.target.value)}>
          <option value="">from any page</option>
          {(start && !urls.includes(start) ? [start, ...urls] : urls).map((url) => (
            <option key={url} value={url}>
              from {stepName(url)}
            </option>
          ))}
        </select>
        <span className="spacer" />
        <RangeChoice chosen={range} onChoose={setRange} />
      </div>
      <Answer of={paths}>
        {(edges) => (edges.length === 0 ? <p className="hint">Nobody went from one page to another in this time.</p> : <Flow edges={edges} />)}
      </Answer>
    </section>
  );
}
