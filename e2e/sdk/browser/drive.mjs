// Drives headless Chromium through the snippet page and the npm-import page; see ../../README.md.
// Serves both pages itself, on a port of its own, so that all requests to Aqueduct are cross-origin as in real life.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";

const { AQUEDUCT_URL: host, AQUEDUCT_TOKEN: token, CHROMIUM = "/usr/bin/chromium" } = process.env;
const here = import.meta.dirname;
const types = { ".html": "text/html", ".js": "text/javascript" };

const server = createServer(async (request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  const file = path === "/snippet.html" ? join(here, "snippet.html") : join(here, "dist", path);
  try {
    const body = await readFile(file);
    response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(path === "/elsewhere.html" ? 200 : 404, { "Content-Type": "text/html" }).end('<!doctype html><link rel="icon" href="data:,"><title>elsewhere</title>');
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const problems = [];

async function open(page, path) {
  page.on("pageerror", (error) => problems.push(`${path}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") {
      problems.push(`${path}: console: ${message.text()}`);
    }
  });
  page.on("response", (response) => {
    if (response.url().startsWith(host) && response.status() >= 400) {
      problems.push(`${path}: ${response.status()} ${response.url()}`);
    }
  });
  const query = new URLSearchParams({ host, token });
  await page.goto(`${origin}${path}?${query}&utm_source=newsletter&utm_campaign=spring`, { waitUntil: "load" });
  await page.waitForFunction(() => window.ready === true, null, { timeout: 15_000 });
}

// The documents arrive after `loaded`; autocapture is off until then.
const settle = (page) => page.waitForTimeout(2500);

{
  const page = await (await browser.newContext()).newPage();
  await open(page, "/snippet.html");
  await settle(page);
  await page.evaluate(() => {
    window.posthog.capture("snippet event", { text: 'grün 🌊 "q"', whole: 42, real: 1.5, yes: true, none: null, nested: { a: { b: [] } } });
    window.posthog.identify("browser-snippet-ann", { plan: "pro" }, { first: "yes" });
  });
  await page.click("#buy");
  await page.waitForTimeout(4000);
}
{
  const page = await (await browser.newContext()).newPage();
  await open(page, "/app.html");
  await settle(page);
  await page.click("#buy");
  await page.evaluate(() => {
    window.posthog.identify("browser-npm-ann", { plan: "free" });
    window.posthog.setPersonProperties({ plan: "pro", seats: 5 }, { first: "yes" });
    window.posthog.group("company", "acme-browser", { name: "Acme" });
    window.posthog.capture("after group");
  });
  await page.waitForTimeout(4000);
  // Queued and sent by sendBeacon when the page goes away.
  await page.evaluate(() => window.posthog.capture("last words", { at: "unload" }));
  await page.goto(`${origin}/elsewhere.html`);
  await page.waitForTimeout(1500);
}
await browser.close();
server.close();
if (problems.length > 0) {
  throw new Error(problems.join("\n"));
}
