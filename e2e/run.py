"""Real SDKs and API clients against the real binary: what they send must be what can be queried and read. See README.md."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from datetime import datetime

import apis
import roundtrip

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
FIRST_TOKEN = "phc_e2e_project"
KEY = "phx_e2e_personal_key_0123456789abcdef"
SENT = {
    "text": 'grün 🌊 "q"', "whole": 42, "real": 1.5, "yes": True, "none": None,
    "list": [1, "two", {"three": 3}], "nested": {"a": {"b": []}},
}


class Server:
    """`aqueduct serve` on an empty directory and a free port."""

    def __init__(self, binary):
        self.dir = tempfile.mkdtemp(prefix="aqueduct-e2e-")
        env = dict(os.environ, AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN=FIRST_TOKEN, AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY=KEY)
        self.log = open(os.path.join(self.dir, "server.log"), "wb")
        args = [binary, "serve", "--data-dir", os.path.join(self.dir, "data"), "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.log, env=env, text=True)
        first = self.process.stdout.readline().strip()
        if "http://" not in first:
            raise RuntimeError("the first line of stdout names no address: %r; log: %s" % (first, self.tail()))
        self.url = "http://" + first.split("http://", 1)[1].split()[0].rstrip("/")
        # Where the first user is made; the server says it once.
        self.setup = next(line.split()[-1] for line in self.process.stdout if "/setup?token=" in line)

    def tail(self):
        return open(os.path.join(self.dir, "server.log"), errors="replace").read()[-3000:]

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        if code != 0:
            raise RuntimeError("the server stopped with exit code %s: %s" % (code, self.tail()))


class Project:
    """One project per client, so that no client sees another's events."""

    def __init__(self, server, name):
        self.server = server
        made = self.call("/api/organizations/@current/projects/", {"name": name, "timezone": "UTC"})
        self.id, self.token = made["id"], made["api_token"]

    def call(self, path, body):
        request = urllib.request.Request(self.server.url + path, data=json.dumps(body).encode(), method="POST")
        request.add_header("Authorization", "Bearer " + KEY)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError("%s answered %s: %s" % (path, error.code, error.read(500).decode(errors="replace"))) from None

    def rows(self, query):
        return self.call("/api/projects/%s/query/" % self.id, {"query": {"kind": "HogQLQuery", "query": query}, "refresh": "force_blocking"})["results"]

    def wait_for(self, event, count=1, seconds=10):
        """Until `count` events of that name are queryable; then their rows."""
        end = time.time() + seconds
        while True:
            rows = self.rows(
                "SELECT uuid, distinct_id, toString(timestamp), properties, person_id FROM events WHERE event = '%s' ORDER BY timestamp" % event.replace("'", "\\'"))
            if len(rows) >= count:
                return [dict(zip(("uuid", "distinct_id", "timestamp", "properties", "person_id"), row)) for row in rows]
            if time.time() > end:
                names = self.rows("SELECT event, count() FROM events GROUP BY event ORDER BY event")
                raise AssertionError("%d of %d events %r are queryable after %s s; there are %s" % (len(rows), count, event, seconds, names))
            time.sleep(0.1)

    def wait_for_count(self, event, count, seconds=20):
        end, seen = time.time() + seconds, -1
        while seen < count:
            seen = self.rows("SELECT count() FROM events WHERE event = '%s'" % event)[0][0]
            assert time.time() < end, "%d of %d events %r are queryable after %s s" % (seen, count, event, seconds)
            time.sleep(0.1)

    def person(self, distinct_id):
        rows = self.rows("SELECT person_id, person.properties FROM person_distinct_ids WHERE distinct_id = '%s'" % distinct_id)
        assert len(rows) == 1, "one person has %s, got %s" % (distinct_id, rows)
        return rows[0][0], as_object(rows[0][1])


def as_object(value):
    return json.loads(value) if isinstance(value, str) else value


def same(found, expected, what):
    assert found == expected, "%s: expected %r, found %r" % (what, expected, found)


def holds(properties, expected, what):
    for key, value in expected.items():
        same(properties.get(key, "(absent)"), value, "%s, property %s" % (what, key))
        same(type(properties[key]), type(value), "%s, type of %s" % (what, key))


def check_common_script(project, sdk, sent):
    ann, anon = sdk + "-ann", sdk + "-anon"
    chosen = project.wait_for("plan chosen")[0]
    same(chosen["distinct_id"], ann, "distinct id")
    # SDKs that say when they sent a request have their clock corrected by the time that it was under way.
    off = (datetime.fromisoformat(chosen["timestamp"].replace("T", " ")[:23]) - datetime(2024, 3, 1, 12, 0, 0, 123000)).total_seconds()
    assert 0 <= off < 5, "time of the event is %s s off: %s" % (off, chosen["timestamp"])
    holds(as_object(chosen["properties"]), sent, "plan chosen")
    if "uuid" in sent:
        same(chosen["uuid"], sent["uuid"], "uuid")
    invited = project.wait_for("invited")[0]
    properties = as_object(invited["properties"])
    same(properties.get("$groups"), {"company": "acme"}, "groups")
    same(properties.get("$group_0"), "acme", "group column")
    same(project.rows("SELECT key, properties.name, toFloat(properties.size) FROM groups"), [["acme", "Acme", 12]], "group")
    person, set_properties = project.person(ann)
    holds(set_properties, {"plan": "pro", "seats": 5}, "person")
    same(project.person(anon)[0], person, "the alias gives one person")
    landed = project.wait_for("landed")[0]
    same(landed["person_id"], person, "the visitor's event belongs to the user")


def check_browser(project):
    text = project.wait_for("snippet event")[0]
    holds(as_object(text["properties"]), {key: SENT[key] for key in ("text", "whole", "real", "yes", "none", "nested")}, "snippet event")
    project.wait_for("queued before the loader")
    views = project.wait_for("$pageview", 2)
    holds(as_object(views[0]["properties"]), {"utm_source": "newsletter", "$lib": "web"}, "$pageview")
    clicks = project.wait_for("$autocapture", 2)
    same(as_object(clicks[0]["properties"])["$event_type"], "click", "autocapture")
    chains = project.rows("SELECT elements_chain FROM events WHERE event = '$autocapture'")
    for (chain,) in chains:
        assert chain.startswith("button") and 'text="Buy now"' in chain, chain
    snippet_person, properties = project.person("browser-snippet-ann")
    holds(properties, {"plan": "pro", "first": "yes", "$initial_utm_source": "newsletter"}, "snippet person")
    same(text["person_id"], snippet_person, "events before identify belong to the person")
    npm_person, properties = project.person("browser-npm-ann")
    holds(properties, {"plan": "pro", "seats": 5, "first": "yes"}, "npm person")
    assert npm_person != snippet_person, "two people"
    after = as_object(project.wait_for("after group")[0]["properties"])
    same(after.get("$groups"), {"company": "acme-browser"}, "groups")
    last = project.wait_for("last words")[0]
    holds(as_object(last["properties"]), {"at": "unload"}, "beacon")
    project.wait_for("$pageleave")


def npm(folder, *more):
    run(["npm", "ci", "--no-fund", "--no-audit"], folder)
    for command in more:
        run(command, folder)


def run(command, folder, env=None, seconds=900):
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    if done.returncode != 0:
        raise AssertionError("%s failed with %s:\n%s" % (" ".join(command), done.returncode, done.stdout.decode(errors="replace")[-3000:]))


def venv():
    """The Python SDK in an environment of its own."""
    place = ROOT / "target" / "e2e-venv"
    if not (place / "bin" / "python").exists():
        run([sys.executable, "-m", "venv", str(place)], HERE)
    run([str(place / "bin" / "pip"), "install", "--quiet", "-r", "requirements.txt"], HERE / "sdk/python")
    return str(place / "bin" / "python")


def client_env(project, **more):
    return dict(os.environ, AQUEDUCT_URL=project.server.url, AQUEDUCT_TOKEN=project.token, **more)


def node(project):
    npm(HERE / "sdk/node")
    run(["node", "send.mjs"], HERE / "sdk/node", client_env(project), 60)
    check_common_script(project, "node", dict(SENT))


def python(project, **more):
    run([venv(), "send.py"], HERE / "sdk/python", client_env(project, **more), 60)
    check_common_script(project, "python", dict(SENT, big=123456789012345678901234567890))


def python_gzip(project):
    python(project, AQUEDUCT_GZIP="1")


def go(project):
    run(["go", "run", "."], HERE / "sdk/go", client_env(project, GOFLAGS="-mod=mod"), 300)
    check_common_script(project, "go", dict(SENT))


def rust(project):
    env = client_env(project, CARGO_TARGET_DIR=str(ROOT / "target" / "e2e-rust"))
    run(["cargo", "run", "--quiet"], HERE / "sdk/rust", env, 600)
    check_common_script(project, "rust", dict(SENT))


def jvm(project):
    target = "-DbuildDirectory=" + str(ROOT / "target" / "e2e-jvm")
    run(["mvn", "-q", "-B", target, "compile", "exec:java"], HERE / "sdk/jvm", client_env(project), 600)
    # A java.util.Map of this SDK holds no null.
    check_common_script(project, "jvm", {key: value for key, value in SENT.items() if value is not None})


def browser(project):
    npm(HERE / "sdk/browser", ["npx", "vite", "build", "--logLevel", "warn"])
    run(["node", "drive.mjs"], HERE / "sdk/browser", client_env(project), 120)
    check_browser(project)


def page(project):
    """The server's own page shows the first project, so that is where its events go."""
    uuid = "0190a000-0000-7000-8000-000000000001"
    send = lambda who, event, more: dict({"event": event, "distinct_id": who, "properties": {"$current_url": "https://shop.example/" + event}}, **more)
    batch = [send(who, "$pageview", {}) for who in ("page-a", "page-b", "page-c") for _ in range(2)] + [send("page-a", "bought", {"uuid": uuid})]
    batch[1]["properties"]["$current_url"] = "https://shop.example/second"
    project.call("/batch/", {"api_key": FIRST_TOKEN, "batch": batch})
    time.sleep(1)
    npm(HERE / "sdk/browser")
    run(["node", "page.mjs"], HERE / "sdk/browser", client_env(project, AQUEDUCT_SETUP=project.server.setup, AQUEDUCT_EVENT=uuid), 180)


def dlt(project):
    apis.dlt(project, KEY)


def toolkit(project):
    apis.toolkit(project, KEY)


def airbyte(project):
    apis.airbyte(project, KEY)


CLIENTS = {"roundtrip": roundtrip.check, "node": node, "python": python, "python_gzip": python_gzip, "go": go, "rust": rust, "jvm": jvm, "browser": browser, "page": page,
           "dlt": dlt, "toolkit": toolkit, "airbyte": airbyte}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "target/release/aqueduct"))
    parser.add_argument("--only", default=",".join(CLIENTS))
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    server, failed = Server(args.bin), []
    names = args.only.split(",")
    try:
        for name in names:
            began = time.time()
            try:
                CLIENTS[name](Project(server, name))
                print("ok   %s (%.1f s)" % (name, time.time() - began), flush=True)
            except Exception as error:
                failed.append(name)
                print("FAIL %s: %s" % (name, error), flush=True)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
    finally:
        try:
            server.stop()
        except Exception as error:
            failed.append("stop")
            print("FAIL stop: %s" % error)
        if not args.keep:
            shutil.rmtree(server.dir, ignore_errors=True)
    print("%d passed, %d failed" % (len(names) - len([name for name in failed if name in names]), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
