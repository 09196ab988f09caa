//! A chapter's own front matter, told from a rule at the start of its text.
//!
//! In: the text as mdBook hands it over. Out: the keys, and where the body starts.

use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

/// The block at the start of a chapter.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Its keys, in their order.
    pub(crate) keys: Hash,
    /// Where the body starts, in bytes.
    pub(crate) body_at: usize,
    /// Why the keys could not be read, when the block is one all the same.
    pub(crate) broken: Option<String>,
}

/// Looks for the block. `text` has `\n` line ends and no byte order mark.
pub(crate) fn split(text: &str) -> Own {
    let none = Own::default();
    let start = text.len() - text.trim_start_matches(['\n', ' ', '\t']).len();
    let Some(open) = first_line(&text[start..]).filter(|line| line.trim_end() == "---") else { return none };
    let inner_at = start + open.len();
    let mut at = inner_at;
    let inner_end = loop {
        let Some(line) = first_line(&text[at..]) else { return none };
        if line.trim_end() == "---" {
            break at;
        }
        at += line.len();
    };
    let body_at = inner_end + first_line(&text[inner_end..]).map_or(0, str::len);
    let inner = &text[inner_at..inner_end];
    if inner.trim().is_empty() {
        return Own { body_at, ..none };
    }
    match YamlLoader::load_from_str(inner) {
        Ok(documents) => match documents.into_iter().next() {
            Some(Yaml::Hash(keys)) if keys.keys().all(is_word) => Own { keys, body_at, broken: None },
            _ => none,
        },
        Err(why) if looks_like_keys(inner) => Own { body_at, broken: Some(why.to_string()), ..none },
        Err(_) => none,
    }
}

fn first_line(text: &str) -> Option<&str> {
    text.split_inclusive('\n').next()
}

fn is_word(key: &Yaml) -> bool {
    key.as_str().is_some_and(is_key)
}

fn is_key(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
        && word.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
}

/// Plainly `key: value` lines, though no YAML: `title: a: b`.
fn looks_like_keys(inner: &str) -> bool {
    let mut lines = inner.lines().filter(|line| !line.trim().is_empty());
    let is_pair = |line: &str| line.split_once(':').is_some_and(|(key, value)| is_key(key) && (value.is_empty() || value.starts_with(' ')));
    lines.next().is_some_and(is_pair) && lines.all(|line| is_pair(line) || line.starts_with([' ', '\t', '-', '#', ']', '}']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (usize, String) {
        let own = split(text);
        let keys = own.keys.keys().filter_map(Yaml::as_str).collect::<Vec<_>>().join(",");
        (own.body_at, own.broken.map_or(keys, |_| "broken".into()))
    }

    #[test]
    fn takes_a_mapping_of_one_word_keys() {
        assert_eq!(found("\n---\ntitle: People\nshowTitle: true\n---\n## Org\n"), (39, "title,showTitle".into()));
        assert_eq!(found("---\n---\nx"), (8, String::new()));
    }

    #[test]
    fn leaves_a_rule_before_prose() {
        assert_eq!(found("---\nSome prose here\n---\nx"), (0, String::new()));
        assert_eq!(found("---\nA note: it is prose\n---\nx"), (0, String::new()));
        assert_eq!(found("---\ntitle: x\n"), (0, String::new()));
        assert_eq!(found("text\n---\na: b\n---\n"), (0, String::new()));
    }

    #[test]
    fn drops_what_is_plainly_keys_but_no_yaml() {
        assert_eq!(found("---\ntitle: a: b: c\n---\nx"), (23, "broken".into()));
    }
}
