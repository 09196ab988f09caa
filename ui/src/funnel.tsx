import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Answer, EventChoice, RANGES, RangeChoice, type Range } from "./controls";
import { compact, duration, percent } from "./format";

const STEPS_MIN = 2;
const STEPS_MAX = 8;

/** How many people go from step to step. */
export function Funnel({ team }: { team: api.Team }) {
  const names = useQuery({ queryKey: ["events", team.id], queryFn: () => api.eventNames(team.id) });
  const [chosen, setChosen] = useState<string[] | null>(null);
  const [range, setRange] = useState<Range>(RANGES[2]);
  // Until somebody chooses: the two most frequent events.
  const steps = chosen ?? (names.data ?? []).slice(0, STEPS_MIN).map(([name]) => name);
  const funnel = useQuery({
    queryKey: ["funnel", team.id, steps, range],
    queryFn: () => api.funnel(team.id, steps, range.dateFrom),
    enabled: steps.length >= STEPS_MIN,
    placeholderData: keepPreviousData,
  });
  const put = (index: number, event: string | null) => event && setChosen(steps.map((step, at) => (at === index ? event : step)));

  return (
    <section className="card" aria-label="Funnel">
      <div className="controls">
        {steps.map((step, index) => (
          <EventChoice key={index} team={team} label={`Step ${index + 1}`} chosen={step} onChoose={(event) => put(index, event)} />
        ))}
        <button className="quiet" disabled={steps.length >= STEPS_MAX} onClick={() => setChosen([...steps, steps.at(-1) ?? "$pageview"])}>
          Add step
        </button>
        <button className="quiet" disabled={steps.length <= STEPS_MIN} onClick={() => setChosen(steps.slice(0, -1))}>
          Remove step
        </button>
        <span className="spacer" />
        <RangeChoice chosen={range} onChoose={setRange} />
      </div>
      {names.data && steps.length < STEPS_MIN ? (
        <p className="hint">A funnel needs two kinds of events; fewer have arrived so far.</p>
      ) : (
        <Answer of={funnel}>{(found) => <Steps steps={found} />}</Answer>
      )}
    </section>
  );
}

function Steps({ steps }: { steps: api.FunnelStep[] }) {
  const first = steps[0]?.count ?? 0;
  return (
    <ol className="funnel">
      {steps.map((step, index) => {
        const before = steps[index - 1]?.count;
        return (
          <li key={step.order}>
            <div className="step">
              <strong>{step.name}</strong>
              <span>
                {compact(step.count)} people · {percent(step.count, first)}
              </span>
            </div>
            <div className="bar">
              <div style={{ width: `${first === 0 ? 0 : (100 * step.count) / first}%` }} />
            </div>
            {before !== undefined && (
              <p className="hint">
                {percent(step.count, before)} of the step before went on, {compact(before - step.count)} did not
                {step.median_conversion_time !== null && `; half of them within ${duration(step.median_conversion_time)}`}
              </p>
            )}
          </li>
        );
      })}
    </ol>
  );
}
