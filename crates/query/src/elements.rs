//! Elements of a page as objects, from the chain of text that events keep of them.
//!
//! In: `a.link.big:href="/x"nth-child="1"text="Buy";div:…`, the innermost element first. Out: what PostHog shows of each.

use serde_json::{Map, Value as Json, json};

/// The elements of a chain, the innermost first.
pub(crate) fn elements(chain: &str) -> Vec<Json> {
    pieces(chain, ';').filter(|element| !element.is_empty()).enumerate().map(|(order, element)| one(order, element)).collect()
}

/// Parts between separators that do not stand in quotes.
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter: char| {
        let is_end = letter == separator && !quoted;
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = letter == '\\' && !escaped;
        is_end
    })
}

fn one(order: usize, element: &str) -> Json {
    // Class names may hold colons; attributes begin at the one before the first `key="`.
    let quote = element.find("=\"").unwrap_or(element.len());
    let colon = element[..quote].rfind(':').unwrap_or(quote);
    let (head, attributes) = (&element[..colon], element.get(colon + 1..).unwrap_or_default());
    let (tag, classes) = head.split_once('.').map_or((head, None), |(tag, classes)| (tag, Some(classes)));
    let classes = classes.map(|classes| classes.split('.').filter(|class| !class.is_empty()).collect::<Vec<_>>());
    let mut shown = json!({
        "text": null,
        "tag_name": (!tag.is_empty()).then_some(tag),
        "attr_class": classes,
        "href": null,
        "attr_id": null,
        "nth_child": null,
        "nth_of_type": null,
        "attributes": {},
        "order": order,
    });
    let mut others = Map::new();
    for (key, value) in pairs(attributes) {
        match key {
            "text" | "href" | "attr_id" => shown[key] = Json::from(value),
            "nth-child" => shown["nth_child"] = json!(value.parse::<i64>().ok()),
            "nth-of-type" => shown["nth_of_type"] = json!(value.parse::<i64>().ok()),
            key => drop(others.insert(key.to_owned(), Json::from(value))),
        }
    }
    shown["attributes"] = Json::Object(others);
    shown
}

/// `key="value"` one after the other; a quote in a value stands behind a backslash.
fn pairs(mut text: &str) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    while let Some((key, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, '"')) => value.push('"'),
                    Some((_, other)) => value.extend(['\\', other]),
                    None => value.push('\\'),
                },
                letter => value.push(letter),
            }
        }
        all.push((key.trim(), value));
        text = &rest[end..];
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_a_list_of_elements() {
        let chain = r#"a.link.big:attr__data-x="1;2"href="/x?a=b"nth-child="1"nth-of-type="0"text="say \"hi\"; go";div:attr_id="main""#;
        assert_eq!(
            Json::Array(elements(chain)),
            json!([
                {"text": "say \"hi\"; go", "tag_name": "a", "attr_class": ["link", "big"], "href": "/x?a=b", "attr_id": null,
                 "nth_child": 1, "nth_of_type": 0, "attributes": {"attr__data-x": "1;2"}, "order": 0},
                {"text": null, "tag_name": "div", "attr_class": null, "href": null, "attr_id": "main",
                 "nth_child": null, "nth_of_type": null, "attributes": {}, "order": 1},
            ])
        );
        assert_eq!(elements("").len(), 0);
    }
}
