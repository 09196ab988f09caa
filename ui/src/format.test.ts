import { expect, test } from "vitest";
import { breakdownLabel, compact, summary } from "./format";
import { snippetFor } from "./snippet";

test("numbers are short and exact below a hundred", () => {
  expect(compact(12.34)).toBe("12.3");
  expect(compact(1234567)).toBe("1,234,567");
});

test("breakdowns are named", () => {
  expect(breakdownLabel("Chrome", "x")).toBe("Chrome");
  expect(breakdownLabel("$$_posthog_breakdown_null_$$", "x")).toBe("none");
  expect(breakdownLabel("$$_posthog_breakdown_other_$$", "x")).toBe("other");
  expect(breakdownLabel(undefined, "x")).toBe("x");
});

test("the summary names telling properties first", () => {
  expect(summary({ $browser: "Firefox", noise: 1, $current_url: "https://example.com/a" })).toBe("current_url: https://example.com/a · browser: Firefox");
  expect(summary({ $lib: "web", total: 3 })).toBe("total: 3");
});

test("the snippet loads the loader from this server", () => {
  const text = snippetFor("http://127.0.0.1:8000", "phc_x");
  expect(text).toContain('src="http://127.0.0.1:8000/static/array.js"');
  expect(text).toContain('posthog.init("phc_x"');
});
