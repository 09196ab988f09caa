//! YAML as both of PHP's readers take it: 1.1 of the extension, 1.2 of Symfony.
//!
//! In: values. Out: lines. Whatever either reader could take for something else than a text is quoted.

use std::fmt::Write;
use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

/// Words that one of the readers takes for a truth value or nothing.
const NOT_TEXT: &[&str] = &["y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan", "inf"];

/// A text, plain only when no reader can doubt it.
pub(crate) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || " _/-.".contains(letter))
        && !text.ends_with(' ')
        && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.into();
    }
    if text.chars().any(|letter| letter.is_control() || matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        return double_quoted(text);
    }
    format!("'{}'", text.replace('\'', "''"))
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A mapping as lines, two blanks deeper for each level.
pub(crate) fn mapping(keys: &Hash, depth: usize, out: &mut String) {
    for (key, value) in keys {
        let Some(name) = text_of(key) else { continue };
        let _infallible = write!(out, "{:1$}{2}:", "", depth * 2, scalar(&name));
        value_after(value, depth, out);
    }
}

fn value_after(value: &Yaml, depth: usize, out: &mut String) {
    match value {
        Yaml::Hash(inner) if inner.is_empty() => out.push_str(" {}\n"),
        Yaml::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Yaml::Hash(inner) => {
            out.push('\n');
            mapping(inner, depth + 1, out);
        }
        Yaml::Array(items) => {
            out.push('\n');
            for item in items {
                let _infallible = write!(out, "{:1$}-", "", depth * 2 + 2);
                value_after(item, depth + 1, out);
            }
        }
        Yaml::String(text) => {
            let _infallible = writeln!(out, " {}", scalar(text));
        }
        plain => {
            let _infallible = writeln!(out, " {}", text_of(plain).unwrap_or_else(|| "null".into()));
        }
    }
}

/// A single value as the author wrote it; nothing for lists and mappings.
pub(crate) fn text_of(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaml_rust2::YamlLoader;

    #[test]
    fn doubtful_texts_are_quoted() {
        for text in
            ["yes", "null", "~", "2024", "1_000", "1:30", "2001-01-01", "0x1F", ".5", "@x", "a: b", "a #b", "a:", "- a", "", " a", "a "]
        {
            assert!(scalar(text).starts_with(['\'', '"']), "{text}");
        }
        assert_eq!(scalar("Team Infrastructure"), "Team Infrastructure");
        assert_eq!(scalar("it's"), "'it''s'");
        assert_eq!(scalar("a\nb"), "\"a\\nb\"");
    }

    #[test]
    fn a_mapping_reads_back_as_itself() {
        let text = "a: 1\nb:\n  - x\n  - {c: [], d: {}, e: ~}\nf: 'yes'\ng: 1.5\nh: [[1, 2], 'a: b']\n";
        let read = |text: &str| YamlLoader::load_from_str(text).unwrap().remove(0);
        let Yaml::Hash(keys) = read(text) else { panic!() };
        let mut written = String::new();
        mapping(&keys, 0, &mut written);
        assert_eq!(read(&written), Yaml::Hash(keys), "{written}");
    }
}
