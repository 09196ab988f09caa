"""posthog-python plays the common script; see ../../README.md."""

import os
from datetime import datetime, timezone

from posthog import Posthog

errors = []
client = Posthog(
    os.environ["AQUEDUCT_TOKEN"],
    host=os.environ["AQUEDUCT_URL"],
    on_error=lambda error, batch: errors.append(error),
    gzip=os.environ.get("AQUEDUCT_GZIP") == "1",
)
ANN = "python-ann"
client.capture("landed", distinct_id="python-anon", properties={"$process_person_profile": False})
client.capture(
    "plan chosen",
    distinct_id=ANN,
    uuid="0192d3a0-0000-7000-8000-00000000a002",
    timestamp=datetime(2024, 3, 1, 12, 0, 0, 123000, tzinfo=timezone.utc),
    properties={
        "text": 'grün 🌊 "q"', "whole": 42, "real": 1.5, "yes": True, "none": None,
        "list": [1, "two", {"three": 3}], "nested": {"a": {"b": []}}, "big": 123456789012345678901234567890,
    },
)
client.set(distinct_id=ANN, properties={"plan": "pro", "seats": 5})
client.set_once(distinct_id=ANN, properties={"first": "yes"})
client.alias("python-anon", ANN)
client.group_identify("company", "acme", {"name": "Acme", "size": 12})
client.capture("invited", distinct_id=ANN, groups={"company": "acme"})
flags = client.get_all_flags(ANN)
assert flags in ({}, None), f"expected no flags, got {flags}"
client.shutdown()
assert not errors, errors
