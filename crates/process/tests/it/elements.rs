//! Autocapture's elements go to a column of their own.

use crate::world::check;
use expect_test::expect;

#[test]
fn the_chain_leaves_the_properties() {
    check(
        &[
            r#"{"event":"$autocapture","distinct_id":"ann","properties":{"$elements":[{"tag_name":"a","$el_text":"Go","nth_child":1,"nth_of_type":1,"attr__href":"/x"},{"tag_name":"body"}],"k":1}}"#,
            r#"{"event":"$autocapture","distinct_id":"ann","properties":{"$elements_chain":"a:text=\"Go\""}}"#,
        ],
        expect![[r#"
            person ann v0 at 0 {}
            id ann -> ann v0
            row $autocapture ann: ann full 0 {} {"k":1} [a:attr__href="/x"href="/x"nth-child="1"nth-of-type="1"text="Go";body:nth-child="0"nth-of-type="0"]
            row $autocapture ann: ann full 0 {} {} [a:text="Go"]
        "#]],
    );
}
