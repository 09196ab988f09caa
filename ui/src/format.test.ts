import { expect, test } from "vitest";
import { breakdownLabel, compact, csv, duration, percent, stepName, sum, summary } from "./format";
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

test("a step of a path is named by its page", () => {
  expect(stepName("2_https://quay.example/app/boards/1?x=1")).toBe("/app/boards/1?x=1");
  expect(stepName("1_/pricing")).toBe("/pricing");
});

test("parts of nothing have no percentage", () => {
  expect(percent(1, 3)).toBe("33.3 %");
  expect(percent(3, 3)).toBe("100 %");
  expect(percent(0, 0)).toBe("–");
});

test("durations have two units at most", () => {
  expect(duration(0.25)).toBe("0.3 s");
  expect(duration(61)).toBe("1 min 1 s");
  expect(duration(90_061)).toBe("1 d 1 h");
  expect(duration(86_400)).toBe("1 d");
});

test("counts by reason add up", () => {
  expect(sum({})).toBe(0);
  expect(sum({ a: 1, b: 2 })).toBe(3);
});

test("a table becomes CSV that no spreadsheet runs", () => {
  const table = csv(["name", "count"], [["=cmd()", -1], ['a "b", c', null], ["x", { y: 1 }]]);
  expect(table).toBe(`name,count\r\n'=cmd(),-1\r\n"a ""b"", c",\r\nx,"{""y"":1}"\r\n`);
});
