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
