//! The options of `[output.grav]`, and what of the book's other settings decides how its text reads.
//!
//! In: the configuration, and flags of the command line. Out: `Options`, checked; unknown names become findings.

use crate::error::Error;
use crate::report::{Kind, Report, line_of};
use mdbook_renderer::config::Config;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Which chapter answers at `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The first chapter, when it is a prefix chapter or the root README.
    Auto,
    /// The first chapter, whatever it is.
    First,
    /// None.
    None,
}

/// Where copied files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaPlace {
    /// Beside each page that shows them.
    Page,
    /// Once, below `images/`.
    Shared,
}

/// What becomes of files that Grav does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unserved {
    /// Copied like others, with a word about it.
    Copy,
    /// Each in an archive of its own, which Grav serves.
    Zip,
}

/// How `> [!NOTE]` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// A quote with a bold first line.
    Quote,
    /// Boxes of the plugin `markdown-notices`.
    Notices,
    /// Boxes of the plugin `shortcode-core`: `[notice=…]`.
    Shortcodes,
    /// As it is, for a Grav that reads it.
    Keep,
}

/// Everything that decides the bytes of a page.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Name of each page's file, hence its template. Default: `default`.
    pub(crate) template: String,
    /// Leaves out a level-1 heading equal to the title. Default: only when the template is `docs`.
    pub(crate) drop_heading: bool,
    /// Fewest digits in a folder's number. Default: 2.
    pub(crate) number_width: usize,
    /// Route below which the tree is mounted, as `/docs`. Default: empty.
    pub(crate) route: String,
    /// What the site's address has before its routes, for links in raw HTML. Default: empty.
    pub(crate) base: String,
    /// Default: `auto`, and `none` below a route.
    pub(crate) home: Home,
    /// Default: `page`.
    pub(crate) media: MediaPlace,
    /// Default: `copy`.
    pub(crate) unserved: Unserved,
    /// Wraps each part in a folder. Default: false.
    pub(crate) part_folders: bool,
    /// Keeps the hidden lines of code. Default: false.
    pub(crate) hidden_lines: bool,
    /// Writes task boxes as ☐ and ☑. Default: true for Grav 1.7, false for 2.0.
    pub(crate) task_signs: bool,
    /// Default: `quote`.
    pub(crate) notes: Notes,
    /// Links relative to the page rather than to the site. Default: false.
    pub(crate) relative_links: bool,
    /// Writes curly quotes and dashes. Default: false.
    pub(crate) smart_punctuation: bool,
    /// Old addresses answer. Default: true.
    pub(crate) aliases: bool,
    /// What old addresses had before the chapter's path. Default: the path of `output.html.site-url`.
    pub(crate) old_base: String,
    /// Takes a chapter's own `slug`. Default: false.
    pub(crate) keep_slug: bool,
    /// Writes redirects that leave the book into `.mdbook-grav.site.yaml`. Default: false.
    pub(crate) redirect_snippet: bool,
    /// Allows a destination below `user/pages`. Default: false.
    pub(crate) live: bool,
    /// Findings are errors. Default: false.
    pub(crate) strict: bool,
    /// Of the book, not of ours: how its HTML was made.
    pub(crate) book: BookSettings,
}

/// Settings of mdBook's HTML that authors rely on.
#[derive(Debug, Clone)]
pub(crate) struct BookSettings {
    pub(crate) smart_punctuation: bool,
    pub(crate) definition_lists: bool,
    pub(crate) admonitions: bool,
    pub(crate) hidelines: BTreeMap<String, String>,
    pub(crate) redirects: BTreeMap<String, String>,
    /// The path of `site-url`, without a slash at its end.
    pub(crate) site_path: String,
}

impl BookSettings {
    fn read(config: &Config) -> BookSettings {
        let html = config.html_config().unwrap_or_default();
        BookSettings {
            smart_punctuation: html.smart_punctuation,
            definition_lists: html.definition_lists,
            admonitions: html.admonitions,
            hidelines: html.code.hidelines.into_iter().collect(),
            redirects: html.redirect.into_iter().collect(),
            site_path: html.site_url.filter(|url| url.starts_with('/')).map(|url| trim_slash(&url)).unwrap_or_default(),
        }
    }
}

impl Options {
    /// All defaults, for a book with this configuration.
    pub(crate) fn defaults(config: &Config) -> Options {
        let book = BookSettings::read(config);
        Options {
            template: "default".into(),
            drop_heading: false,
            number_width: 2,
            route: String::new(),
            base: String::new(),
            home: Home::Auto,
            media: MediaPlace::Page,
            unserved: Unserved::Copy,
            part_folders: false,
            hidden_lines: false,
            task_signs: true,
            notes: Notes::Quote,
            relative_links: false,
            smart_punctuation: false,
            aliases: true,
            old_base: book.site_path.clone(),
            keep_slug: false,
            redirect_snippet: false,
            live: false,
            strict: false,
            book,
        }
    }

    /// Reads `[output.grav]`. Unknown names are findings, wrong values are errors.
    pub(crate) fn read(config: &Config, root: &Path, report: &mut Report) -> Result<Options, Error> {
        let mut options = Options::defaults(config);
        let table = config.get::<serde_json::Map<String, Value>>("output.grav").ok().flatten().unwrap_or_default();
        let toml = std::fs::read_to_string(root.join("book.toml")).unwrap_or_default();
        // What other options start from comes first, whatever the order in the file.
        for first in ["grav", "template", "route"] {
            if let Some(value) = table.get(first) {
                set(&mut options, first, value, &toml)?;
            }
        }
        for (name, value) in table.iter().filter(|(name, _)| !["grav", "template", "route"].contains(&name.as_str())) {
            if !set(&mut options, name, value, &toml)? {
                report.add(
                    Kind::UnknownOption,
                    "book.toml",
                    option_line(&toml, name),
                    format!("unknown option `{name}` in [output.grav]{}", nearest(name)),
                );
            }
        }
        Ok(options)
    }
}

/// All options, for messages and for the test of their manual.
const NAMES: &[&str] = &[
    "aliases",
    "base",
    "grav",
    "heading",
    "hidden-lines",
    "home",
    "keep-slug",
    "links",
    "live",
    "media",
    "notes",
    "number-width",
    "old-base",
    "parts",
    "redirect-snippet",
    "route",
    "smart-punctuation",
    "strict",
    "task-lists",
    "template",
    "unserved",
];

/// Sets one option; false when there is none of that name.
fn set(options: &mut Options, name: &str, value: &Value, toml: &str) -> Result<bool, Error> {
    let wrong = |expected: &'static str| Error::Option {
        place: format!("book.toml:{}", option_line(toml, name)),
        name: name.into(),
        found: value.to_string(),
        expected,
    };
    let text = || value.as_str().ok_or_else(|| wrong("a text"));
    let flag = || value.as_bool().ok_or_else(|| wrong("true or false"));
    match name {
        // mdBook's own keys of every output table.
        "command" | "optional" => {}
        "grav" => match text()? {
            "1.7" => options.task_signs = true,
            "2.0" => options.task_signs = false,
            _ => return Err(wrong("\"1.7\" or \"2.0\"")),
        },
        "template" => {
            options.template = text().ok().filter(|name| is_file_word(name)).ok_or_else(|| wrong("a template's name, as \"docs\""))?.into();
            options.drop_heading = options.template == "docs";
        }
        "route" => {
            options.route = route(text()?).ok_or_else(|| wrong("a route, as \"/docs\""))?;
            if !options.route.is_empty() {
                options.home = Home::None;
            }
        }
        "base" => options.base = trim_slash(text()?),
        "old-base" => options.old_base = trim_slash(text()?),
        "heading" => {
            options.drop_heading = choose(value, &[("keep", false), ("drop", true)]).ok_or_else(|| wrong("\"keep\" or \"drop\""))?
        }
        "number-width" => {
            let width = value.as_u64().filter(|width| (1..=9).contains(width)).ok_or_else(|| wrong("a number from 1 to 9"))?;
            options.number_width = usize::try_from(width).unwrap_or(2);
        }
        "home" => {
            let known = [("auto", Home::Auto), ("first", Home::First), ("none", Home::None)];
            options.home = choose(value, &known).ok_or_else(|| wrong("\"auto\", \"first\" or \"none\""))?;
        }
        "media" => {
            let known = [("page", MediaPlace::Page), ("shared", MediaPlace::Shared)];
            options.media = choose(value, &known).ok_or_else(|| wrong("\"page\" or \"shared\""))?;
        }
        "unserved" => {
            let known = [("copy", Unserved::Copy), ("zip", Unserved::Zip)];
            options.unserved = choose(value, &known).ok_or_else(|| wrong("\"copy\" or \"zip\""))?;
        }
        "notes" => {
            let known = [("quote", Notes::Quote), ("notices", Notes::Notices), ("shortcodes", Notes::Shortcodes), ("keep", Notes::Keep)];
            options.notes = choose(value, &known).ok_or_else(|| wrong("\"quote\", \"notices\", \"shortcodes\" or \"keep\""))?;
        }
        "task-lists" => {
            options.task_signs =
                choose(value, &[("signs", true), ("brackets", false)]).ok_or_else(|| wrong("\"signs\" or \"brackets\""))?;
        }
        "parts" => {
            options.part_folders = choose(value, &[("flat", false), ("folders", true)]).ok_or_else(|| wrong("\"flat\" or \"folders\""))?
        }
        "links" => {
            let known = [("absolute", false), ("relative", true)];
            options.relative_links = choose(value, &known).ok_or_else(|| wrong("\"absolute\" or \"relative\""))?;
        }
        _ => return set_flag(options, name, flag),
    }
    Ok(true)
}

/// The option that was perhaps meant.
fn nearest(name: &str) -> String {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let meant = NAMES.iter().find(|known| plain(known) == plain(name) || plain(known).starts_with(&plain(name)));
    meant.map(|known| format!(", perhaps `{known}`")).unwrap_or_default()
}

fn set_flag(options: &mut Options, name: &str, flag: impl Fn() -> Result<bool, Error>) -> Result<bool, Error> {
    let target = match name {
        "hidden-lines" => &mut options.hidden_lines,
        "smart-punctuation" => &mut options.smart_punctuation,
        "aliases" => &mut options.aliases,
        "keep-slug" => &mut options.keep_slug,
        "redirect-snippet" => &mut options.redirect_snippet,
        "live" => &mut options.live,
        "strict" => &mut options.strict,
        _ => return Ok(false),
    };
    *target = flag()?;
    Ok(true)
}

fn choose<T: Copy>(value: &Value, known: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

fn is_file_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
}

fn trim_slash(path: &str) -> String {
    path.trim_end_matches('/').into()
}

fn route(text: &str) -> Option<String> {
    let route = trim_slash(text);
    let sound =
        route.is_empty() || (route.starts_with('/') && route[1..].split('/').all(|part| !part.is_empty() && part != ".." && part != "."));
    sound.then_some(route)
}

/// The line of `name = …` below `[output.grav]`, or 0.
fn option_line(toml: &str, name: &str) -> usize {
    let mut inside = false;
    let mut at = 0;
    for line in toml.split_inclusive('\n') {
        let text = line.trim();
        if text.starts_with('[') {
            inside = text.starts_with("[output.grav]");
        } else if inside && text.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')) {
            return line_of(toml, at);
        }
        at += line.len();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> (Result<Options, Error>, Report) {
        let config: Config = toml.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("book.toml"), toml).unwrap();
        let mut report = Report::default();
        (Options::read(&config, folder.path(), &mut report), report)
    }

    #[test]
    fn names_unknown_options_with_their_line() {
        let (options, report) = read("[output.grav]\ncommand = \"x\"\ntemplate = \"docs\"\ncolour = 1\n");
        assert!(options.unwrap().drop_heading);
        assert_eq!(report.findings.len(), 1);
        assert_eq!(report.findings[0].to_string(), "book.toml:4: unknown option `colour` in [output.grav]");
    }

    #[test]
    fn every_option_is_known_and_in_the_manual() {
        let manual = include_str!("../../../docs/src/book/options.md");
        for name in NAMES {
            let mut options = Options::defaults(&Config::default());
            assert!(!matches!(set(&mut options, name, &Value::Null, ""), Ok(false)), "{name}");
            assert!(manual.contains(&format!("| `{name}` |")), "{name} is not in options.md");
        }
        assert_eq!(nearest("number_width"), ", perhaps `number-width`");
    }

    #[test]
    fn refuses_wrong_values_with_what_it_expected() {
        let (options, _) = read("[output.grav]\nnumber-width = 0\n");
        assert_eq!(options.unwrap_err().to_string(), "book.toml:2: option `number-width` is 0, expected a number from 1 to 9");
        let (options, _) = read("[output.grav]\nroute = \"docs\"\n");
        assert!(options.is_err());
    }

    #[test]
    fn the_version_of_grav_sets_the_start_for_task_lists() {
        assert!(!read("[output.grav]\ngrav = \"2.0\"\n").0.unwrap().task_signs);
        assert!(read("[output.grav]\ngrav = \"2.0\"\ntask-lists = \"signs\"\n").0.unwrap().task_signs);
        assert_eq!(read("[output.grav]\nroute = \"/docs/\"\n").0.unwrap().home, Home::None);
    }
}
