// The one place that talks to the server. Every answer that is not a success becomes an ApiError with the server's own words.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Team {
  id: number;
  name: string;
  api_token: string;
  timezone: string;
}

export interface Me {
  email: string;
  first_name: string;
  team: Team;
}

export interface TrendSeries {
  label: string;
  data: number[];
  days: string[];
  labels: string[];
  count: number;
  breakdown_value?: unknown;
}

export interface LiveEvent {
  uuid: string;
  event: string;
  distinct_id: string;
  timestamp: string;
  person_id: string;
  properties: Record<string, unknown>;
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(path, {
    method,
    credentials: "same-origin",
    // X-Requested-With tells the server that a page of its own asks, not a form on somebody else's.
    headers: { "X-Requested-With": "aqueduct", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const parsed = parse(text);
  if (!answer.ok) {
    throw new ApiError(answer.status, detailOf(parsed) ?? `The server answered ${answer.status}.`);
  }
  return parsed as T;
}

function parse(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

function detailOf(parsed: unknown): string | undefined {
  const detail = (parsed as { detail?: unknown } | null)?.detail;
  return typeof detail === "string" ? detail : undefined;
}

export const me = () => call<Me>("GET", "/api/users/@me/");
export const setUp = (token: string, email: string, password: string) => call<unknown>("POST", "/api/setup/", { token, email, password });
export const signIn = (email: string, password: string) => call<unknown>("POST", "/api/login/", { email, password });
export const signOut = () => call<unknown>("POST", "/api/logout/", {});

async function query<T>(project: number, body: unknown): Promise<T> {
  const answer = await call<{ results: T }>("POST", `/api/projects/${project}/query/`, { query: body });
  return answer.results;
}

export interface TrendRequest {
  event: string | null;
  math: "total" | "dau";
  interval: "hour" | "day" | "week";
  dateFrom: string;
  breakdown: string | null;
}

/** The series of an insight: one event, or all of them. */
const node = (event: string | null, math?: string) => ({ kind: "EventsNode", event, ...(math ? { math } : {}) });

export const trend = (project: number, ask: TrendRequest) =>
  query<TrendSeries[]>(project, {
    kind: "TrendsQuery",
    series: [node(ask.event, ask.math)],
    interval: ask.interval,
    dateRange: { date_from: ask.dateFrom },
    ...(ask.breakdown ? { breakdownFilter: { breakdown: ask.breakdown, breakdown_type: "event", breakdown_limit: 8 } } : {}),
  });

/** New, returning, resurrecting and dormant people; the dormant count below zero. */
export const lifecycle = (project: number, event: string | null, interval: string, dateFrom: string) =>
  query<TrendSeries[]>(project, { kind: "LifecycleQuery", series: [node(event)], interval, dateRange: { date_from: dateFrom } });

export interface FunnelStep {
  name: string;
  order: number;
  count: number;
  median_conversion_time: number | null;
}

export const funnel = (project: number, events: string[], dateFrom: string) =>
  query<FunnelStep[]>(project, { kind: "FunnelsQuery", series: events.map((event) => node(event)), dateRange: { date_from: dateFrom } });

export interface RetentionCohort {
  label: string;
  date: string;
  values: { count: number; label: string }[];
}

export const retention = (project: number, event: string, period: "Day" | "Week" | "Month") =>
  query<RetentionCohort[]>(project, {
    kind: "RetentionQuery",
    retentionFilter: { period, totalIntervals: 9, targetEntity: { id: event, type: "events" }, returningEntity: { id: event, type: "events" } },
  });

export interface PathEdge {
  source: string;
  target: string;
  value: number;
}

export const paths = (project: number, start: string | null, dateFrom: string) =>
  query<PathEdge[]>(project, {
    kind: "PathsQuery",
    pathsFilter: { includeEventTypes: ["$pageview"], stepLimit: 4, edgeLimit: 40, ...(start ? { startPoint: start } : {}) },
    dateRange: { date_from: dateFrom },
  });

export interface Table {
  columns: string[];
  results: unknown[][];
  hasMore: boolean;
}

export const sql = (project: number, text: string) =>
  call<Table>("POST", `/api/projects/${project}/query/`, { query: { kind: "HogQLQuery", query: text }, refresh: "force_blocking" });

/** What became of events: `received = visible + in_flight + duplicate + refused + dropped + dead_lettered + residue`. */
export interface Figures {
  received: number;
  visible: number;
  in_flight: number;
  duplicate: number;
  refused: Record<string, number>;
  dropped: Record<string, number>;
  dead_lettered: Record<string, number>;
  residue: number;
  data_loss_percent: number;
}

export interface Ledger {
  health: { state: "balanced" | "replaying" | "alarm"; alarms: unknown[] };
  interval: string;
  total: Figures;
  results: (Figures & { start: string })[];
}

export const ledger = (project: number, from: Date) =>
  call<Ledger>("GET", `/api/projects/${project}/ledger/?date_from=${encodeURIComponent(from.toISOString())}`);

export interface Traced {
  uuid: string;
  event: string;
  distinct_id: string;
  timestamp: string;
  verdict: string;
  reason: string;
  words: string;
  remedy: string;
  detail: string;
  received: { at: string; path: string; sdk: string; agent: string; client_address: string; status: number } | null;
  stages: { stage: string; passed: boolean; words: string }[];
  person: { id: string } | null;
}

export interface Trace {
  verdict: string;
  words: string;
  remedy: string;
  events: Traced[];
  hints: { kind: string; words: string; remedy: string }[];
}

export const trace = (project: number, id: string) => call<Trace>("GET", `/api/projects/${project}/trace/${encodeURIComponent(id)}/`);

export interface Letter {
  id: string;
  explanation: string;
  remedy: string;
  detail: string;
  received_at: string;
  event: string;
  distinct_id: string;
  replays: number;
}

export const letters = (project: number) => call<{ count: number; results: Letter[] }>("GET", `/api/projects/${project}/dead_letters/?limit=50`);
export const replay = (project: number, letter: string) => call<unknown>("POST", `/api/projects/${project}/dead_letters/${letter}/replay/`);
export const discard = (project: number, letter: string) => call<unknown>("DELETE", `/api/projects/${project}/dead_letters/${letter}/`);

export interface Warnings {
  type: string;
  lastSeen: string;
  count: number;
  warnings: { details: Record<string, unknown> }[];
}

export const warnings = async (project: number) =>
  (await call<{ results: Warnings[] }>("GET", `/api/projects/${project}/ingestion_warnings/`)).results;

/** The most frequent event names, with their counts. */
export const eventNames = (project: number) =>
  query<[string, number][]>(project, {
    kind: "HogQLQuery",
    query: "SELECT event, count() AS events FROM events GROUP BY event ORDER BY events DESC LIMIT 50",
  });
