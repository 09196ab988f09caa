import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Lines } from "./chart";
import { Answer, EventChoice, RANGES, RangeChoice, type Range } from "./controls";
import { compact } from "./format";

const BREAKDOWNS = ["$browser", "$os", "$device_type", "utm_source", "plan"];

/** One trend chart: an event over time, by count or by people, broken down by one property if asked. */
export function Trend({ team }: { team: api.Team }) {
  const [event, setEvent] = useState<string | null>("$pageview");
  const [math, setMath] = useState<"total" | "dau">("total");
  const [range, setRange] = useState<Range>(RANGES[1]);
  const [breakdown, setBreakdown] = useState<string | null>(null);

  const ask: api.TrendRequest = { event, math, interval: range.interval, dateFrom: range.dateFrom, breakdown };
  const trend = useQuery({
    queryKey: ["trend", team.id, ask],
    queryFn: () => api.trend(team.id, ask),
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });

  return (
    <section className="card trend" aria-label="Trend">
      <div className="controls">
        <EventChoice team={team} all="All events" chosen={event} onChoose={setEvent} />
        <select aria-label="Count" value={math} onChange={(change) => setMath(change.target.value as "total" | "dau")}>
          <option value="total">events</option>
          <option value="dau">unique people</option>
        </select>
        <select aria-label="Breakdown" value={breakdown ?? ""} onChange={(change) => setBreakdown(change.target.value || null)}>
          <option value="">no breakdown</option>
          {BREAKDOWNS.map((key) => (
            <option key={key} value={key}>
              by {key}
            </option>
          ))}
        </select>
        <span className="spacer" />
        <RangeChoice chosen={range} onChoose={setRange} />
      </div>
      <Answer of={trend}>
        {(series) => (
          <>
            <p className="figure">
              {compact(series.reduce((sum, one) => sum + one.count, 0))}
              <span className="hint">{math === "total" ? " events" : " unique people, summed over the intervals"}</span>
            </p>
            <Lines series={series} />
          </>
        )}
      </Answer>
    </section>
  );
}
