// The server's own page, used as a person does: make the first user, then look at each page. Every step fails with what it expected.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const { AQUEDUCT_SETUP: setup, AQUEDUCT_EVENT: uuid, AQUEDUCT_SHOTS: shots } = process.env;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && !message.text().includes("401") && problems.push(message.text()));

const show = async (name) => shots && (await page.screenshot({ path: `${shots}/${name}.png` }));
/** Goes to a page by its link and waits until its card says `text`. */
const visit = async (name, card, text) => {
  await page.getByRole("link", { name, exact: true }).click();
  const region = page.getByRole("region", { name: card, exact: true });
  await region.getByText(text).first().waitFor({ timeout: 15_000 });
  await page.waitForTimeout(300);
  await show(name.replaceAll(/\W+/g, "-"));
  return region;
};

await page.goto(setup);
await page.getByLabel("Email").fill("ann@example.com");
await page.getByLabel("Password").fill("correct-horse-battery");
await page.getByRole("button", { name: "Make user" }).click();

await visit("Trends", "Trend", /^[\d,]+ events$/);
assert.equal(await page.getByRole("region", { name: "Snippet" }).getByText("posthog.init").count(), 1, "the snippet");

const funnel = await visit("Funnels", "Funnel", /100 %/);
await funnel.getByLabel("Step 1").selectOption("$pageview");
await funnel.getByLabel("Step 2").selectOption("bought");
await funnel.getByText("1 people · 33.3 %").waitFor({ timeout: 15_000 });

const retention = await visit("Retention", "Retention", /Week 0/);
assert.ok((await retention.locator("td.shaded").count()) > 10, "a triangle of retention");
const paths = await visit("Paths", "Paths", "24 hours");
await paths.getByRole("img").waitFor();
await visit("Lifecycle", "Lifecycle", /People by what they are/);

const sql = await visit("SQL", "SQL", /Ctrl\+Enter/);
await sql.getByLabel("Query").fill("SELECT event, count() AS c FROM events GROUP BY event ORDER BY c DESC");
await sql.getByRole("button", { name: "Run" }).click();
await sql.getByRole("cell", { name: "bought" }).waitFor({ timeout: 15_000 });
await sql.getByLabel("Query").fill("SELECT nothing FROM nowhere");
await sql.getByRole("button", { name: "Run" }).click();
await sql.getByRole("alert").getByText("nowhere").waitFor({ timeout: 15_000 });
problems.length = 0; // the browser's own note on the 400 that was wanted

const where = await visit("Where is my event?", "Where is my event?", /Where is my event/);
await where.getByLabel("uuid or distinct id").fill(uuid);
await where.getByRole("button", { name: "Find" }).click();
await where.getByText("The event is stored and can be queried.").first().waitFor({ timeout: 15_000 });
assert.equal(await where.locator(".stages .passed").count(), 4, "four stages passed");
await show("trace-found");
await where.getByLabel("uuid or distinct id").fill("nobody-at-all");
await where.getByRole("button", { name: "Find" }).click();
await where.getByText("never received").waitFor({ timeout: 15_000 });
await page.reload();
await page.getByText("never received").waitFor({ timeout: 15_000 });

const health = await visit("Health", "Ledger", /balanced/);
assert.equal(await health.locator("dl div", { hasText: "data loss" }).locator("dd").innerText(), "0 %");
await page.getByText("None: every event could be processed.").waitFor({ timeout: 15_000 });

await page.getByRole("button", { name: "Sign out" }).click();
await page.getByRole("button", { name: "Sign in" }).waitFor({ timeout: 15_000 });
await browser.close();
assert.deepEqual(problems, [], "the browser's console");
