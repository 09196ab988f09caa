//! Filters on autocaptured elements: tag, text, link target.

use super::bad;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{call, compare, lambda, not, or};
use serde_json::Value;

/// The condition of an element filter; `None` when it is incomplete.
///
/// # Errors
/// [`QueryError::Request`] for a key or an operator that elements do not have.
pub(crate) fn condition(key: &str, value: &Value, operator: &str) -> Result<Option<Expr>, QueryError> {
    let values: Vec<String> = match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    if key.is_empty() || (values.is_empty() && !matches!(operator, "is_set" | "is_not_set")) {
        return Ok(None);
    }
    match key {
        "tag_name" | "selector" => chain(key, &values, operator).map(Some),
        "href" => single(&Expr::field(["elements_chain_href"]), &values, operator).map(Some),
        "text" => texts(&values, operator).map(Some),
        other => Err(bad(format!("element filters know tag_name, selector, text and href, found '{other}'"))),
    }
}

fn chain(key: &str, values: &[String], operator: &str) -> Result<Expr, QueryError> {
    let pattern = if key == "tag_name" { tag_pattern } else { selector_pattern };
    let any =
        or(values.iter().map(|value| compare(CompareOp::Regex, Expr::field(["elements_chain"]), Expr::lit(pattern(value)))).collect());
    match operator {
        "exact" => Ok(any),
        "is_not" => Ok(not(any)),
        other => Err(bad(format!("element {key} takes the operators exact and is_not, found {other}"))),
    }
}

fn single(field: &Expr, values: &[String], operator: &str) -> Result<Expr, QueryError> {
    let each = |op: CompareOp, wrap: &str| {
        let tests = values.iter().map(|value| compare(op, field.clone(), Expr::lit(format!("{wrap}{value}{wrap}")))).collect();
        or(tests)
    };
    Ok(match operator {
        "exact" => each(CompareOp::Eq, ""),
        "is_not" => not(each(CompareOp::Eq, "")),
        "icontains" => each(CompareOp::ILike, "%"),
        "not_icontains" => not(each(CompareOp::ILike, "%")),
        "regex" => each(CompareOp::Regex, ""),
        "not_regex" => not(each(CompareOp::Regex, "")),
        "is_set" => compare(CompareOp::NotEq, field.clone(), Expr::lit("")),
        "is_not_set" => compare(CompareOp::Eq, field.clone(), Expr::lit("")),
        other => return Err(bad(format!("element href does not take the operator {other}"))),
    })
}

/// Any of the chain's texts.
fn texts(values: &[String], operator: &str) -> Result<Expr, QueryError> {
    let all = Expr::field(["elements_chain_texts"]);
    let any = |test: &str| Ok(call("arrayExists", vec![lambda(["text"], single(&Expr::field(["text"]), values, test)?), all.clone()]));
    match operator {
        "exact" | "icontains" | "regex" => any(operator),
        "is_not" => any("exact").map(not),
        "not_icontains" => any("icontains").map(not),
        "not_regex" => any("regex").map(not),
        "is_set" => Ok(call("notEmpty", vec![all])),
        "is_not_set" => Ok(call("empty", vec![all])),
        other => Err(bad(format!("element text does not take the operator {other}"))),
    }
}

/// The chain holds an element of this tag.
fn tag_pattern(tag: &str) -> String {
    format!(r"(^|;){}(\.|$|;|:)", regex::escape(tag))
}

/// The chain holds elements that match a selector of tags, `.classes`, `#ids`, `[attributes]`, by descent (blank) or as a child (`>`).
/// The chain lists the innermost element first.
fn selector_pattern(selector: &str) -> String {
    let mut pattern = String::new();
    let parts: Vec<&str> = selector.split_whitespace().collect();
    let mut child = false;
    for (at, part) in parts.iter().rev().enumerate() {
        if *part == ">" {
            child = true;
            continue;
        }
        pattern.push_str(if at == 0 {
            "(^|;)"
        } else if child {
            ";"
        } else {
            ";(.*;)?"
        });
        child = false;
        pattern.push_str(&element_pattern(part));
    }
    pattern.push_str("($|;)");
    pattern
}

fn element_pattern(part: &str) -> String {
    let mut tag = String::new();
    let mut rest = String::new();
    let mut classes = Vec::new();
    let mut attributes = Vec::new();
    let mut chars = part.chars().peekable();
    while let Some(&next) = chars.peek() {
        match next {
            '.' | '#' => {
                chars.next();
                let mut name = String::new();
                while let Some(&letter) = chars.peek().filter(|letter| !matches!(letter, '.' | '#' | '[' | ':')) {
                    name.push(letter);
                    chars.next();
                }
                if next == '.' { classes.push(name) } else { attributes.push(("attr_id".to_owned(), name)) }
            }
            '[' => {
                chars.next();
                let inside: String = chars.by_ref().take_while(|letter| *letter != ']').collect();
                let (key, value) = inside.split_once('=').unwrap_or((&inside, ""));
                let key = if key == "id" { "attr_id".to_owned() } else { key.to_owned() };
                attributes.push((key, value.trim_matches(['"', '\'']).to_owned()));
            }
            ':' => {
                rest = chars.by_ref().collect();
            }
            letter => {
                tag.push(letter);
                chars.next();
            }
        }
    }
    if let Some(place) = rest.strip_prefix(":nth-child(").and_then(|rest| rest.strip_suffix(')')) {
        attributes.push(("nth-child".to_owned(), place.to_owned()));
    }
    // Classes and attributes of the chain are sorted, so their patterns must be too.
    classes.sort();
    attributes.sort();
    let mut pattern = if tag.is_empty() || tag == "*" { "[^;:.]+".to_owned() } else { regex::escape(&tag) };
    for class in &classes {
        pattern.push_str(&format!(r"[^;:]*\.{}(?:[^;:]*)?", regex::escape(class)));
    }
    pattern.push_str("[^;]*?");
    for (key, value) in &attributes {
        pattern.push_str(&format!(r#"{}="{}"[^;]*?"#, regex::escape(key), regex::escape(value)));
    }
    pattern.push_str("[^;]*");
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, chain: &str) -> bool {
        regex::Regex::new(&selector_pattern(selector)).unwrap().is_match(chain)
    }

    #[test]
    fn selectors() {
        let chain = r#"span.label:nth-child="1"text="Buy";button.big.primary:attr_id="buy"nth-child="2";div.card:nth-child="1""#;
        assert!(check("span", chain));
        assert!(check("button.primary span", chain));
        assert!(check("button > span", chain));
        assert!(check("#buy", chain));
        assert!(check("div span", chain));
        assert!(!check("div > span", chain));
        assert!(!check("a", chain));
        assert!(!check("span button", chain));
    }

    #[test]
    fn tags() {
        let found = |tag: &str, chain: &str| regex::Regex::new(&tag_pattern(tag)).unwrap().is_match(chain);
        assert!(found("a", r#"a.link:href="/x";div"#));
        assert!(!found("a", r#"article;div"#));
    }
}
