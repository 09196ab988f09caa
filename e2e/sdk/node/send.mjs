// posthog-node plays the common script; see ../../README.md.
import { PostHog } from "posthog-node";

const { AQUEDUCT_URL: host, AQUEDUCT_TOKEN: token } = process.env;
const client = new PostHog(token, { host, flushAt: 20, flushInterval: 0 });
let failed = null;
client.on("error", (error) => (failed = error));

const ann = "node-ann";
client.capture({ distinctId: "node-anon", event: "landed", properties: { $process_person_profile: false } });
client.capture({
  distinctId: ann,
  event: "plan chosen",
  uuid: "0192d3a0-0000-7000-8000-00000000a001",
  timestamp: new Date("2024-03-01T12:00:00.123Z"),
  properties: { text: 'grün 🌊 "q"', whole: 42, real: 1.5, yes: true, none: null, list: [1, "two", { three: 3 }], nested: { a: { b: [] } } },
});
client.identify({ distinctId: ann, properties: { $set: { plan: "pro", seats: 5 }, $set_once: { first: "yes" } } });
client.alias({ distinctId: ann, alias: "node-anon" });
client.groupIdentify({ groupType: "company", groupKey: "acme", properties: { name: "Acme", size: 12 } });
client.capture({ distinctId: ann, event: "invited", groups: { company: "acme" } });
const flags = await client.getAllFlags(ann);
if (Object.keys(flags).length !== 0) {
  throw new Error(`expected no flags, got ${JSON.stringify(flags)}`);
}
await client.shutdown();
if (failed) {
  throw failed;
}
