//! Events of one distinct id take effect in the order of arrival, whatever their times say.

use crate::world::check;
use expect_test::expect;

#[test]
fn arrival_decides() {
    check(
        &[
            r#"{"event":"1","distinct_id":"ann","at":9,"properties":{"$set":{"last":1}}}"#,
            r#"{"event":"2","distinct_id":"bob","at":1,"properties":{"$set":{"last":1}}}"#,
            r#"{"event":"3","distinct_id":"ann","at":5,"properties":{"$set":{"last":2},"$set_once":{"first":2}}}"#,
            r#"{"event":"4","distinct_id":"ann","at":7,"properties":{"$set":{"last":3},"$set_once":{"first":3}}}"#,
        ],
        expect![[r#"
            person ann v2 at 9 {"last":3,"first":2}
            person bob v0 at 1 {"last":1}
            id ann -> ann v0
            id bob -> bob v0
            row 1 ann: ann full 9 {"last":1} {"$set":{"last":1}}
            row 2 bob: bob full 1 {"last":1} {"$set":{"last":1}}
            row 3 ann: ann full 9 {"last":2,"first":2} {"$set":{"last":2},"$set_once":{"first":2}}
            row 4 ann: ann full 9 {"last":3,"first":2} {"$set":{"last":3},"$set_once":{"first":3}}
        "#]],
    );
}
