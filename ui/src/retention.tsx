import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Answer, Choice, EventChoice } from "./controls";
import { compact, percent } from "./format";

const PERIODS = [
  { label: "days", value: "Day" },
  { label: "weeks", value: "Week" },
  { label: "months", value: "Month" },
] as const;

/** Of those who came in one period, how many came again in each later one. */
export function Retention({ team }: { team: api.Team }) {
  const [event, setEvent] = useState("$pageview");
  const [period, setPeriod] = useState<"Day" | "Week" | "Month">("Week");
  const retention = useQuery({
    queryKey: ["retention", team.id, event, period],
    queryFn: () => api.retention(team.id, event, period),
    placeholderData: keepPreviousData,
  });
  return (
    <section className="card wide" aria-label="Retention">
      <div className="controls">
        <EventChoice team={team} chosen={event} onChoose={(chosen) => chosen && setEvent(chosen)} />
        <span className="spacer" />
        <Choice label="Period" options={PERIODS} chosen={period} onChoose={setPeriod} />
      </div>
      <Answer of={retention}>{(cohorts) => <Cohorts cohorts={cohorts} />}</Answer>
    </section>
  );
}

function Cohorts({ cohorts }: { cohorts: api.RetentionCohort[] }) {
  return (
    <table className="retention">
      <thead>
        <tr>
          <th>First seen</th>
          <th>People</th>
          {cohorts[0]?.values.map((value) => <th key={value.label}>{value.label}</th>)}
        </tr>
      </thead>
      <tbody>
        {cohorts.map((cohort, index) => {
          const people = cohort.values[0]?.count ?? 0;
          // The others have not begun yet.
          const begun = cohort.values.slice(0, cohorts.length - index);
          return (
            <tr key={cohort.date}>
              <td>{cohort.date.slice(0, 10)}</td>
              <td>{compact(people)}</td>
              {begun.map((value) => (
                <td
                  key={value.label}
                  className="shaded"
                  style={{ "--part": people === 0 ? 0 : value.count / people } as React.CSSProperties}
                  title={`${value.count} people`}
                >
                  {percent(value.count, people)}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
