"""One other engine as a process: loads the events of `bench queries`, then answers its questions, one line of JSON each.

    engine.py chdb|duckdb DIR THREADS

In:  {"load": [files]} | {"open": true} | {"ask": sql} | {"bytes": true}
Out: {"seconds": …} | {"ms": …, "cpu_ms": …, "rows": [[key, number], …]} | {"bytes": …}
The time of an answer is taken around the engine's own call, in process, the result as the engine hands it out.
"""

import json
import os
import sys
import time

PROPERTIES = {"url": "$current_url", "browser": "$browser", "session": "$session_id", "plan": "plan"}


class ChDb:
    """ClickHouse embedded: PostHog's table, key and codecs; the properties that are asked for are columns."""

    TABLE = """
        CREATE TABLE events (
            team_id Int64, uuid UUID, event LowCardinality(String), distinct_id String, person_id UUID,
            timestamp DateTime64(3, 'UTC'), properties String CODEC(ZSTD(3)), person_properties String CODEC(ZSTD(3)),
            url String MATERIALIZED JSONExtractString(properties, '$current_url'),
            browser LowCardinality(String) MATERIALIZED JSONExtractString(properties, '$browser'),
            session String MATERIALIZED JSONExtractString(properties, '$session_id'),
            plan LowCardinality(String) MATERIALIZED JSONExtractString(properties, 'plan')
        ) ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp)
        ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))"""
    STRUCTURE = (
        "project_id Int64, uuid UUID, event String, distinct_id String, timestamp DateTime64(3, \\'UTC\\'), "
        "properties String, person_properties String"
    )

    def __init__(self, directory, threads):
        from chdb import session

        self.directory = directory
        self.session = session.Session(directory)
        self.session.query(f"SET max_threads = {threads}")

    def load(self, files):
        self.session.query("CREATE DATABASE IF NOT EXISTS bench")
        self.session.query("USE bench")
        self.session.query(self.TABLE)
        for file in files:
            self.session.query(
                "INSERT INTO events SELECT project_id, uuid, event, distinct_id, reinterpretAsUUID(MD5(distinct_id)), timestamp, properties,"
                f" person_properties FROM file('{file}', JSONEachRow, '{self.STRUCTURE}')"
                " SETTINGS input_format_json_read_objects_as_strings = 1, date_time_input_format = 'best_effort'"
            )
        self.session.query("OPTIMIZE TABLE events FINAL")

    def open(self):
        self.session.query("USE bench")

    def ask(self, sql):
        return self.session.query(sql, "JSONCompactEachRow")

    def rows(self, answer):
        return [json.loads(line) for line in str(answer).splitlines() if line.strip()]

    def bytes(self):
        answer = self.ask("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'")
        return int(self.rows(answer)[0][0])


class DuckDb:
    """DuckDB: a table in the order of (event, time) within each million, integers for persons."""

    def __init__(self, directory, threads):
        import duckdb

        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "events.db")
        self.connection = duckdb.connect(self.path)
        self.connection.execute(f"SET threads = {threads}")
        self.connection.execute("SET memory_limit = '8GB'")
        self.connection.execute("SET TimeZone = 'UTC'")

    def load(self, files):
        columns = ", ".join(f"json_extract_string(properties, '$.\"{key}\"') AS {name}" for name, key in PROPERTIES.items())
        types = (
            "{project_id: 'BIGINT', uuid: 'UUID', event: 'VARCHAR', distinct_id: 'VARCHAR', person: 'INTEGER', timestamp: 'TIMESTAMP',"
            " properties: 'JSON', person_properties: 'JSON'}"
        )
        for at, file in enumerate(files):
            verb = "INSERT INTO events" if at else "CREATE TABLE events AS"
            self.connection.execute(
                f"{verb} SELECT project_id, uuid, event, distinct_id, person, timestamp, properties, person_properties, {columns}"
                f" FROM read_json('{file}', format = 'newline_delimited', columns = {types}) ORDER BY event, timestamp"
            )
        self.connection.execute("CHECKPOINT")

    def open(self):
        pass

    def ask(self, sql):
        return self.connection.execute(sql).fetchall()

    def rows(self, answer):
        return [[value if isinstance(value, (int, float)) else str(value) for value in row] for row in answer]

    def bytes(self):
        return os.path.getsize(self.path)


def main():
    kind, directory, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    # What an engine prints by itself must not get between the answers.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = {"chdb": ChDb, "duckdb": DuckDb}[kind](directory, threads)
    for line in sys.stdin:
        request = json.loads(line)
        began, cpu = time.perf_counter(), time.process_time()
        try:
            if "load" in request:
                engine.load(request["load"])
                reply = {"seconds": time.perf_counter() - began}
            elif "ask" in request:
                answer = engine.ask(request["ask"])
                took = time.perf_counter() - began
                cpu = time.process_time() - cpu
                reply = {"ms": took * 1000.0, "cpu_ms": cpu * 1000.0, "rows": [row[:2] for row in engine.rows(answer)]}
            elif "open" in request:
                engine.open()
                reply = {}
            else:
                reply = {"bytes": engine.bytes()}
        except Exception as error:  # The kit shows it beside the question.
            reply = {"error": str(error)[:2000]}
        print(json.dumps(reply), file=out, flush=True)


main()
