"""Reads a project with dlt's REST source, as its documentation describes for APIs of this form, and prints what came as JSON."""

import json
import os

from dlt.sources.rest_api import rest_api_source

RESOURCES = ["persons", "events", "event_definitions", "property_definitions", "annotations", "insights", "dashboards", "groups_types"]

source = rest_api_source({
    "client": {
        "base_url": os.environ["AQUEDUCT_URL"] + "/api/projects/" + os.environ["AQUEDUCT_PROJECT"] + "/",
        "auth": {"type": "bearer", "token": os.environ["AQUEDUCT_KEY"]},
        # Small pages, so that the addresses of next pages are followed.
        "paginator": {"type": "json_link", "next_url_path": "next"},
    },
    "resources": [
        {"name": name, "endpoint": {"path": name + "/", "params": {"limit": 7}, "data_selector": "$" if name == "groups_types" else "results"}}
        for name in RESOURCES
    ],
})
print(json.dumps({name: list(source.resources[name]) for name in RESOURCES}, default=str))
