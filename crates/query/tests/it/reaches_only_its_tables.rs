//! What HogQL cannot reach: files, networks, settings, other engines' tables, statements that change something.

use crate::world::{Layout, World};
use aqueduct_event::ProjectId;
use aqueduct_query::QueryConfig;
use expect_test::expect;
use serde_json::json;

#[tokio::test]
async fn nothing_else_is_a_table() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let names = [
        "information_schema.tables",
        "INFORMATION_SCHEMA.COLUMNS",
        "datafusion.public.events",
        "public.events",
        "default.events",
        "posthog.events",
        "system.tables",
        "system.query_log",
        "system.processes",
        "pg_catalog.pg_tables",
        "sqlite_master",
        "catalog",
        "`events.parquet`",
        "`/etc/passwd`",
        "\"file:///etc/passwd\"",
        "'events'",
        "events_json",
        "personal_api_keys",
        "users",
    ];
    let functions = [
        "file('/etc/passwd')",
        "url('http://localhost/', 'CSV')",
        "s3('http://localhost/')",
        "remote('localhost', 'system', 'tables')",
        "cluster('posthog', events)",
        "mysql('localhost', 'a', 'b', 'c', 'd')",
        "postgresql('localhost', 'a', 'b', 'c', 'd')",
        "sqlite('catalog.sqlite', 'users')",
        "executable('id', 'CSV', 'a String')",
        "input('a String')",
        "generateRandom('a String')",
        "merge('default', '.*')",
        "dictionary('a')",
        "view(select 1)",
        "values('a String', 'x')",
        "null('a String')",
        "zeros(10)",
        "generate_series(1, 10)",
        "numbers_mt(10)",
        "range(10)",
        "unnest([1])",
        "parquet_metadata('a')",
        "events(1)",
    ];
    for name in names.into_iter().chain(functions) {
        let found = running.hogql(&format!("select * from {name}")).await;
        assert!(found.as_ref().is_err_and(|error| error.status() == 400), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn only_questions_are_asked() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    for statement in [
        "SET max_memory_usage = 1",
        "set datafusion.execution.batch_size = 1",
        "CREATE TABLE a (b Int)",
        "CREATE EXTERNAL TABLE a STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE VIEW a AS SELECT 1",
        "CREATE FUNCTION a() RETURN 1",
        "INSERT INTO events SELECT 1",
        "INSERT INTO FUNCTION file('/tmp/x') SELECT 1",
        "COPY events TO '/tmp/x'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "DROP TABLE events",
        "ALTER TABLE events DELETE WHERE 1",
        "TRUNCATE TABLE events",
        "UPDATE events SET event = 'a'",
        "DELETE FROM events",
        "ATTACH TABLE a",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "OPTIMIZE TABLE events",
        "GRANT ALL ON events TO a",
        "USE system",
        "SHOW TABLES",
        "DESCRIBE TABLE events",
        "EXPLAIN SELECT 1",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "BEGIN",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 FORMAT CSV",
        "SELECT 1 SETTINGS max_threads = 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE events",
    ] {
        let found = running.hogql(statement).await;
        assert!(found.as_ref().is_err_and(|error| error.status() == 400), "{statement}: {found:?}");
    }
}

/// Functions of ClickHouse and of the engine below that look beyond the rows.
#[tokio::test]
async fn no_function_looks_beyond_the_rows() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig::default());
    let calls = [
        "file('/etc/passwd')",
        "getSetting('a')",
        "getMacro('a')",
        "getServerPort('a')",
        "hostName()",
        "currentDatabase()",
        "currentUser()",
        "user()",
        "version()",
        "uptime()",
        "dictGet('a', 'b', 1)",
        "joinGet('a', 'b', 1)",
        "catboostEvaluate('a', 1)",
        "sleep(1)",
        "sleepEachRow(1)",
        "throwIf(1)",
        "addressToLine(1)",
        "addressToSymbol(1)",
        "demangle('a')",
        "queryID()",
        "initialQueryID()",
        "serverUUID()",
        "tcpPort()",
        "filesystemAvailable()",
        "reverseDNSQuery('localhost')",
        "evalMLMethod(1)",
        "arrow_typeof(1)",
        "arrow_cast(1, 'Utf8')",
        "pg_sleep(1)",
        "current_schema()",
    ];
    let mut answered = Vec::new();
    for call in calls {
        match running.hogql(&format!("select {call}")).await {
            Ok(rows) => answered.push(format!("{call} → {}", json!(rows))),
            Err(error) => assert_eq!(error.status(), 400, "{call}: {error:?}"),
        }
    }
    // What is answered is answered without looking anywhere.
    expect![[""]].assert_eq(&answered.join("\n"));
}

#[tokio::test]
async fn numbers_without_end_are_stopped_by_the_limits() {
    let running = World::default().start(ProjectId(1), Layout::Memory, QueryConfig { seconds_max: 1, ..QueryConfig::default() });
    let rows = running.hogql("select number from numbers(9223372036854775807) limit 3").await.expect("rows");
    assert_eq!(rows, [json!([0]), json!([1]), json!([2])]);
    let rows = running.hogql("select number from numbers(1000000) limit 1000000").await.expect("rows");
    assert_eq!(rows.len(), 50_000, "the row limit");
    let endless = running.hogql("select max(number * 3) from numbers(9223372036854775807)").await.expect_err("endless");
    assert_eq!(endless.code(), "query_timeout");
}
