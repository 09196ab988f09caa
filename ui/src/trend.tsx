import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as api from "./api";
import { Chart } from "./chart";
import { compact } from "./format";

const RANGES = [
  { label: "24 hours", dateFrom: "-24h", interval: "hour" },
  { label: "7 days", dateFrom: "-7d", interval: "day" },
  { label: "30 days", dateFrom: "-30d", interval: "day" },
  { label: "90 days", dateFrom: "-90d", interval: "week" },
] as const;

const BREAKDOWNS = ["$browser", "$os", "$device_type", "utm_source", "plan"];

/** One trend chart: an event over time, by count or by people, broken down by one property if asked. */
export function Trend({ team }: { team: api.Team }) {
  const [event, setEvent] = useState<string | null>("$pageview");
  const [math, setMath] = useState<"total" | "dau">("total");
  const [range, setRange] = useState(1);
  const [breakdown, setBreakdown] = useState<string | null>(null);
  const chosen = RANGES[range] ?? RANGES[1];

  const names = useQuery({ queryKey: ["events", team.id], queryFn: () => api.eventNames(team.id), refetchInterval: 30_000 });
  const ask: api.TrendRequest = { event, math, interval: chosen.interval, dateFrom: chosen.dateFrom, breakdown };
  const trend = useQuery({
    queryKey: ["trend", team.id, ask],
    queryFn: () => api.trend(team.id, ask),
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });
  const total = trend.data?.reduce((sum, series) => sum + series.count, 0);

  return (
    <section className="card trend" aria-label="Trend">
      <div className="controls">
        <select aria-label="Event" value={event ?? ""} onChange={(change) => setEvent(change.target.value || null)}>
          <option value="">All events</option>
          {optionsOf(names.data, event).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
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
        <div className="ranges" role="group" aria-label="Range">
          {RANGES.map((each, index) => (
            <button key={each.label} className={index === range ? "chosen" : "quiet"} aria-pressed={index === range} onClick={() => setRange(index)}>
              {each.label}
            </button>
          ))}
        </div>
      </div>
      {trend.error ? (
        <p className="error" role="alert">
          {trend.error.message}
        </p>
      ) : (
        <>
          <p className="figure">
            {total === undefined ? "…" : compact(total)}
            <span className="hint">{math === "total" ? " events" : " unique people, summed over the intervals"}</span>
          </p>
          <Chart series={trend.data ?? []} />
        </>
      )}
    </section>
  );
}

function optionsOf(names: [string, number][] | undefined, chosen: string | null): string[] {
  const known = (names ?? []).map(([name]) => name);
  return chosen && !known.includes(chosen) ? [chosen, ...known] : known;
}
