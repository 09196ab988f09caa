// Pure functions from values to the words on the page.

export function compact(value: number): string {
  return new Intl.NumberFormat("en", { maximumFractionDigits: value < 100 ? 1 : 0 }).format(value);
}

export function clock(timestamp: string): string {
  const time = new Date(timestamp);
  return Number.isNaN(time.getTime()) ? timestamp : time.toLocaleTimeString("en-GB", { hour12: false });
}

const NULL_BREAKDOWN = "$$_posthog_breakdown_null_$$";
const OTHER_BREAKDOWN = "$$_posthog_breakdown_other_$$";

export function breakdownLabel(value: unknown, fallback: string): string {
  const one = Array.isArray(value) ? value.join(" :: ") : value;
  if (one === NULL_BREAKDOWN || one === null) {
    return "none";
  }
  if (one === OTHER_BREAKDOWN) {
    return "other";
  }
  return one === undefined ? fallback : String(one);
}

const TELLING = ["$current_url", "$pathname", "$screen_name", "plan", "amount", "utm_source", "$browser"];

/** The few properties that tell most about an event, in one line. */
export function summary(properties: Record<string, unknown>): string {
  const known = TELLING.filter((key) => properties[key] !== undefined && properties[key] !== null);
  const shown = known.length > 0 ? known : Object.keys(properties).filter((key) => !key.startsWith("$"));
  return shown
    .slice(0, 3)
    .map((key) => `${key.replace(/^\$/, "")}: ${String(properties[key])}`)
    .join(" · ");
}

/** A node of a path without its step and the host: `2_https://a.example/b` is `/b`. */
export function stepName(node: string): string {
  const name = node.replace(/^\d+_/, "");
  try {
    const url = new URL(name);
    return url.pathname + url.search;
  } catch {
    return name;
  }
}

/** A part of a whole, in percent. */
export function percent(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1).replace(/\.0$/, "")} %`;
}

/** A length of time in its two largest units. */
export function duration(seconds: number): string {
  const units: [string, number][] = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) {
    return `${seconds.toFixed(1)} s`;
  }
  let left = seconds;
  const parts = units.slice(first, first + 2).map(([name, length]) => {
    const count = Math.floor(left / length);
    left -= count * length;
    return count > 0 ? `${count} ${name}` : "";
  });
  return parts.filter(Boolean).join(" ");
}

/** A value of a table's cell. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) {
    return "";
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The sum of counts by reason. */
export function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** A table as CSV by RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe. */
export function csv(columns: string[], rows: unknown[][]): string {
  const field = (value: unknown) => {
    const text = cell(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}
