import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Bars } from "./chart";
import { Answer, EventChoice, RANGES, RangeChoice, type Range } from "./controls";

/** Who is new, who came back, who went. */
export function Lifecycle({ team }: { team: api.Team }) {
  const [event, setEvent] = useState<string | null>("$pageview");
  const [range, setRange] = useState<Range>(RANGES[2]);
  const lifecycle = useQuery({
    queryKey: ["lifecycle", team.id, event, range],
    queryFn: () => api.lifecycle(team.id, event, range.interval, range.dateFrom),
    placeholderData: keepPreviousData,
  });
  return (
    <section className="card" aria-label="Lifecycle">
      <div className="controls">
        <EventChoice team={team} all="All events" chosen={event} onChoose={setEvent} />
        <span className="spacer" />
        <RangeChoice chosen={range} onChoose={setRange} />
      </div>
      <p className="hint">People by what they are in each {range.interval}: new, returning, back after a pause, or gone (below zero).</p>
      <Answer of={lifecycle}>
        {(series) => (
          <Bars series={series.map((one) => ({ ...one, label: one.label.split(" - ").pop() ?? one.label }))} label="Bar chart of the lifecycle" />
        )}
      </Answer>
    </section>
  );
}
