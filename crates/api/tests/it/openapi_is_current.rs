//! The OpenAPI document that lies in the repository is the one that is served. Write it anew with `UPDATE_EXPECT=1`.

use crate::world::World;
use expect_test::expect_file;

#[tokio::test]
async fn is_served_and_committed() {
    let document = aqueduct_api::openapi();
    expect_file!["../../openapi.json"].assert_eq(&document);
    let world = World::new().await;
    let served = world.ask_with("GET", "/api/schema/", &[], None).await;
    let committed: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(served.json(), committed);
}
