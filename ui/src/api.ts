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

export const trend = (project: number, ask: TrendRequest) =>
  query<TrendSeries[]>(project, {
    kind: "TrendsQuery",
    series: [{ kind: "EventsNode", event: ask.event, math: ask.math }],
    interval: ask.interval,
    dateRange: { date_from: ask.dateFrom },
    ...(ask.breakdown ? { breakdownFilter: { breakdown: ask.breakdown, breakdown_type: "event", breakdown_limit: 8 } } : {}),
  });

/** The most frequent event names, with their counts. */
export const eventNames = (project: number) =>
  query<[string, number][]>(project, {
    kind: "HogQLQuery",
    query: "SELECT event, count() AS events FROM events GROUP BY event ORDER BY events DESC LIMIT 50",
  });
