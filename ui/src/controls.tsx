import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import * as api from "./api";

export const RANGES = [
  { label: "24 hours", dateFrom: "-24h", interval: "hour" },
  { label: "7 days", dateFrom: "-7d", interval: "day" },
  { label: "30 days", dateFrom: "-30d", interval: "day" },
  { label: "90 days", dateFrom: "-90d", interval: "week" },
] as const;

export type Range = (typeof RANGES)[number];

/** One of a few choices, as buttons. */
export function Choice<T>({
  label,
  options,
  chosen,
  onChoose,
}: {
  label: string;
  options: readonly { label: string; value: T }[];
  chosen: T;
  onChoose: (value: T) => void;
}) {
  return (
    <div className="ranges" role="group" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.label}
          className={option.value === chosen ? "chosen" : "quiet"}
          aria-pressed={option.value === chosen}
          onClick={() => onChoose(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

/** How far back to look. */
export function RangeChoice({ chosen, onChoose }: { chosen: Range; onChoose: (range: Range) => void }) {
  return <Choice label="Range" options={RANGES.map((range) => ({ label: range.label, value: range }))} chosen={chosen} onChoose={onChoose} />;
}

/** An event of the project by name. `all`: words for all events together, if that can be chosen. */
export function EventChoice({
  team,
  label = "Event",
  all,
  chosen,
  onChoose,
}: {
  team: api.Team;
  label?: string;
  all?: string;
  chosen: string | null;
  onChoose: (event: string | null) => void;
}) {
  const names = useQuery({ queryKey: ["events", team.id], queryFn: () => api.eventNames(team.id), refetchInterval: 30_000 });
  const known = (names.data ?? []).map(([name]) => name);
  const shown = chosen && !known.includes(chosen) ? [chosen, ...known] : known;
  return (
    <select aria-label={label} value={chosen ?? ""} onChange={(change) => onChoose(change.target.value || null)}>
      {all && <option value="">{all}</option>}
      {shown.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

/** What is shown of a question to the server: its answer, its failure in the server's words, or that it is under way. */
export function Answer<T>({ of, children }: { of: { data: T | undefined; error: Error | null }; children: (data: T) => ReactNode }) {
  if (of.error) {
    return (
      <p className="error" role="alert">
        {of.error.message}
      </p>
    );
  }
  return of.data === undefined ? <p className="hint">Asking…</p> : <>{children(of.data)}</>;
}
