//! `/` answers the page, or how to build it; paths of the page answer the page; missing files are missing.

use crate::world::World;

#[tokio::test]
async fn page_and_files() {
    let world = World::new().await;
    let page = world.ask_with("GET", "/", &[], None).await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-type"].to_str().expect("text").starts_with("text/html"));
    let setup = world.ask_with("GET", "/setup?token=x", &[], None).await;
    assert_eq!((setup.status, &setup.text), (page.status, &page.text));
    assert_eq!(world.ask_with("GET", "/assets/none.js", &[], None).await.status, 404);
    assert_eq!(world.ask_with("POST", "/", &[], None).await.status, 405);
    if page.text.contains("id=\"root\"") {
        assert_eq!(page.headers["cache-control"], "no-cache");
        let tag = page.headers["etag"].to_str().expect("text");
        assert_eq!(world.ask_with("GET", "/", &[("if-none-match", tag)], None).await.status, 304);
        let script = page.text.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
        let script = world.ask_with("GET", script, &[], None).await;
        assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
        assert!(script.headers["cache-control"].to_str().expect("text").contains("immutable"));
    } else {
        assert!(page.text.contains("make ui"));
    }
}
