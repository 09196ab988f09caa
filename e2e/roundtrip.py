"""What goes in comes out: thousands of generated property objects through the HTTP edge and back through the query API, compared as JSON."""

import gzip
import json
import random
import urllib.request
import uuid

EVENTS = 3000
LETTERS = "abcXYZ 0189_-.:/\\\"'{}[]<>&%$äßñЖ漢字🌊\u200d\u0001\n\t\u2028"
# A few keys that occur often, as in real events, and a long tail.
COMMON = ["$browser", "$current_url", "plan", "amount", "tags", "weird \"key\"", "ключ", "", "a.b", "null", "properties"]


def value(rng, depth=0):
    kind = rng.randrange(12 if depth < 4 else 9)
    if kind == 0:
        return None
    if kind == 1:
        return rng.random() < 0.5
    if kind == 2:
        return rng.choice([0, 1, -1, 42, 2**31, -(2**31), 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
    if kind == 3:
        return rng.choice([2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**30, -(10**40)])
    if kind == 4:
        return rng.choice([0.5, -0.0, 1.0, 1e300, 5e-324, 0.1, 1 / 3, 123456789.123456789, 1e21, -2.5e-10])
    if kind in (5, 6, 7, 8):
        return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(0, 24)))
    if kind in (9, 10):
        return [value(rng, depth + 1) for _ in range(rng.randrange(0, 4))]
    return {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(0, 4))}


def text(rng):
    return rng.choice(COMMON) if rng.random() < 0.3 else "".join(rng.choice(LETTERS) for _ in range(rng.randrange(1, 12)))


def properties(rng):
    keys = {rng.choice(COMMON) for _ in range(rng.randrange(0, 6))} | {text(rng) for _ in range(rng.randrange(0, 3))}
    return {key: value(rng) for key in keys}


def normal(value):
    """One text for one JSON value: 1 and 1.0 differ, key order does not count."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True)


def check(project, seed=1):
    rng = random.Random(seed)
    sent = {}
    for start in range(0, EVENTS, 250):
        batch = []
        for _ in range(250):
            event_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            sent[event_id] = properties(rng)
            batch.append({"event": "round trip", "uuid": event_id, "distinct_id": "p%d" % rng.randrange(40), "properties": sent[event_id]})
        body = gzip.compress(json.dumps({"api_key": project.token, "batch": batch}, ensure_ascii=start % 500 == 0).encode())
        request = urllib.request.Request(project.server.url + "/batch/", data=body, method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("Content-Encoding", "gzip")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
    project.wait_for_count("round trip", EVENTS)
    rows = project.rows("SELECT uuid, properties FROM events WHERE event = 'round trip' LIMIT 50000")
    assert len(rows) == EVENTS, "expected %d rows, got %d" % (EVENTS, len(rows))
    for event_id, found in rows:
        found = json.loads(found) if isinstance(found, str) else found
        # The server adds these and nothing else.
        for added in ("$ip", "$sent_at"):
            found.pop(added, None)
        wanted = normal(sent[event_id])
        assert normal(found) == wanted, "event %s\n  sent  %s\n  found %s" % (event_id, wanted, normal(found))
