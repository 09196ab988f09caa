//! No query reaches rows of another project.

use crate::world::{Event, Layout, NOW, World};
use aqueduct_event::ProjectId;
use aqueduct_query::QueryConfig;
use serde_json::json;

#[tokio::test]
async fn another_projects_rows_are_not_seen() {
    let event = |name: &str| Event {
        distinct_id: "ann".to_owned(),
        at: NOW,
        name: name.to_owned(),
        properties: json!({"secret": "x"}),
        elements_chain: String::new(),
    };
    let world = World { events: vec![event("theirs")], persons: vec![(vec!["ann".to_owned()], json!({"email": "a"}))], ..World::default() };
    let mut running = world.start(ProjectId(1), Layout::Memory, QueryConfig::default());
    assert_eq!(running.hogql("select count() from events").await.expect("rows"), [json!([1])]);
    running.facts.id = ProjectId(2);
    for query in [
        "select event from events",
        "select id from persons",
        "select distinct_id from person_distinct_ids",
        "select event from events where team_id = 1",
        "select e.event from events e join persons p on p.id = e.person_id",
    ] {
        assert_eq!(running.hogql(query).await.expect("rows"), Vec::<serde_json::Value>::new(), "{query}");
    }
}
