"""Real clients of the management API: data pipelines that read everything a project has. Each must find what was put in, all of it, once."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
EVENTS = 2500
PERSONS = 25


def fill(project):
    """Events of several persons, an annotation and a saved insight."""
    sent = [
        {"event": "bought", "distinct_id": "buyer-%d" % (n % PERSONS), "uuid": str(uuid.UUID(int=(int(project.id) << 96) | n)),
         "timestamp": "2026-01-%02dT10:00:%02d.%03dZ" % (1 + n % 20, n % 60, n % 1000),
         "properties": {"n": n, "$set": {"name": "Buyer %d" % (n % PERSONS)}}}
        for n in range(EVENTS)
    ]
    for at in range(0, EVENTS, 500):
        body = json.dumps({"api_key": project.token, "batch": sent[at:at + 500]}).encode()
        request = urllib.request.Request(project.server.url + "/batch/", data=body, headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=60).read()
    project.wait_for_count("bought", EVENTS, 60)
    root = "/api/projects/%s/" % project.id
    project.call(root + "annotations/", {"content": "Launch", "date_marker": "2026-01-02T00:00:00Z", "scope": "project"})
    query = {"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": "bought"}]}
    project.call(root + "insights/", {"name": "Sales", "query": {"kind": "InsightVizNode", "source": query}, "saved": True})
    return {event["uuid"]: event["properties"]["n"] for event in sent}


def check(found, sent):
    """What a client read of persons, events, annotations and insights against what was sent."""
    events = [(event["id"], event["properties"]["n"]) for event in found["events"] if event["event"] == "bought"]
    assert len(events) == len(sent) and dict(events) == sent, "read %d events (%d different), sent %d" % (len(events), len(dict(events)), len(sent))
    names = sorted(person["properties"]["name"] for person in found["persons"] if "name" in person["properties"])
    assert names == sorted("Buyer %d" % n for n in range(PERSONS)), "persons: %s" % names
    assert [note["content"] for note in found["annotations"]] == ["Launch"], found["annotations"]
    assert [insight["name"] for insight in found["insights"]] == ["Sales"], found["insights"]


def environment(name):
    """An environment of its own for a client, with what its list names."""
    place = ROOT / "target" / ("e2e-%s-venv" % name)
    if not (place / "bin" / "python").exists():
        run([sys.executable, "-m", "venv", str(place)])
    run([str(place / "bin" / "pip"), "install", "--quiet", "-r", str(HERE / "api" / (name + ".txt"))])
    return place / "bin"


def run(command, env=None, seconds=900):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)
    if done.returncode != 0:
        told = done.stdout[-1500:] + done.stderr[-1500:]
        raise AssertionError("%s failed with %s:\n%s" % (" ".join(command), done.returncode, told.decode(errors="replace")))
    return done.stdout.decode()


def dlt(project, key):
    sent = fill(project)
    env = dict(os.environ, AQUEDUCT_URL=project.server.url, AQUEDUCT_PROJECT=str(project.id), AQUEDUCT_KEY=key, RUNTIME__DLTHUB_TELEMETRY="false")
    found = json.loads(run([str(environment("dlt") / "python"), str(HERE / "api" / "read_dlt.py")], env).strip().splitlines()[-1])
    check(found, sent)
    assert "bought" in [event["name"] for event in found["event_definitions"]], found["event_definitions"]
    assert {"n", "$set"} & {entry["name"] for entry in found["property_definitions"]}, found["property_definitions"]


def toolkit(project, key):
    """PostHog's own toolkit, which checks every answer against a schema."""
    fill(project)
    folder = HERE / "api" / "toolkit"
    run(["npm", "ci", "--prefix", str(folder), "--no-fund", "--no-audit", "--ignore-scripts"])
    env = dict(os.environ, AQUEDUCT_URL=project.server.url, AQUEDUCT_PROJECT=str(project.id), AQUEDUCT_KEY=key)
    run(["node", str(folder / "use.mjs")], env, 120)


def airbyte(project, key):
    """Airbyte's connector for PostHog: its check, its discovery, and a full read of the streams."""
    sent = fill(project)
    source = str(environment("airbyte") / "source-posthog")
    folder = pathlib.Path(project.server.dir)
    config, catalog = folder / "airbyte.json", folder / "catalog.json"
    config.write_text(json.dumps({"api_key": key, "base_url": project.server.url, "start_date": "2025-12-20T00:00:00Z", "events_time_step": 30}))
    verdict = [line for line in messages(run([source, "check", "--config", str(config)])) if line["type"] == "CONNECTION_STATUS"]
    assert verdict and verdict[0]["connectionStatus"]["status"] == "SUCCEEDED", verdict
    streams = [line for line in messages(run([source, "discover", "--config", str(config)])) if line["type"] == "CATALOG"][0]["catalog"]["streams"]
    configured = [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"} for stream in streams]
    catalog.write_text(json.dumps({"streams": configured}))
    found = {stream["name"]: [] for stream in streams}
    for line in messages(run([source, "read", "--config", str(config), "--catalog", str(catalog)])):
        if line["type"] == "RECORD":
            found[line["record"]["stream"]].append(line["record"]["data"])
    # The connector reads every project; those of other clients do not have these names.
    own = {event for event in sent}
    found["events"] = [event for event in found["events"] if event["id"] in own]
    assert project.id in [one["id"] for one in found["projects"]], found["projects"]
    mine = {key: found[key] for key in ("events", "persons", "annotations", "insights")}
    assert found["feature_flags"] == [], found["feature_flags"]
    check(once(mine), sent)


def once(found):
    """Several clients of one run fill projects of their own in the same way: annotations, insights and persons of the same names count once."""
    def distinct(items, name):
        return list({name(item): item for item in items}.values())
    return {
        "events": found["events"],
        "persons": distinct(found["persons"], lambda person: person["properties"].get("name", person["id"])),
        "annotations": distinct(found["annotations"], lambda note: note["content"]),
        "insights": distinct(found["insights"], lambda insight: insight["name"]),
    }


def messages(output):
    return [json.loads(line) for line in output.split("\n") if line.startswith("{")]
