//! A whole conversion, pass by pass.
//!
//! In: a render context, or a book's folder. Out: a tree of pages that was checked, and what there is to say.
//!
//! 1. The book comes in; texts go to the spool (`input/`).
//! 2. Folders and routes are planned (`plan/`); each chapter is surveyed for its ids and title.
//! 3. Each chapter is converted into a second spool and its words are compared (`page.rs`).
//! 4. Only then is anything written: nothing foreign in the way, `strict` satisfied (`write/`).
//! 5. The tree is read again and checked (`check/`).

mod links;
mod page;

use crate::check::{Checked, check_tree};
use crate::error::Error;
use crate::front::{Own, split};
use crate::index::Index;
use crate::input::{Book, Chapter, Span, Spool, load, read_context};
use crate::media::{Media, zip};
use crate::options::Options;
use crate::plan::{Aliases, Plan, Role, aliases, plan};
use crate::report::{Kind, Report};
use crate::text::{Survey, clean, survey};
use crate::write::{Content, Manifest, Tree, Written, hash_bytes, hash_file};
use mdbook_renderer::MDBOOK_VERSION;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// What a conversion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages with text.
    pub pages: usize,
    /// Words of the chapters, all found again in the pages.
    pub words: usize,
    /// Links and pictures of the chapters that point into the book, rewritten.
    pub links: usize,
    /// Headings and terms that carry an id.
    pub anchors: usize,
    /// Files copied for the pages, counted once for each copy.
    pub media: usize,
    /// Files written.
    pub written: usize,
    /// Files that held the same bytes already.
    pub unchanged: usize,
    /// Stale files removed.
    pub removed: usize,
    /// What the check of the tree counted.
    pub checked: Checked,
}

/// What the command line says over the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    /// Write below `user/pages` of a live site.
    pub live: bool,
    /// Findings are errors.
    pub strict: bool,
    /// Run the preprocessors that the book names.
    pub preprocessors: bool,
}

/// Runs as mdBook's renderer: the context comes from `input`, the destination is what it says.
///
/// # Errors
/// When the context cannot be read, something foreign is in the way, I/O fails, `strict` objects, or the check finds faults.
pub fn render(input: impl Read, report: &mut Report) -> Result<Summary, Error> {
    let mut spool = open_spool()?;
    let book = read_context(input, &mut spool)?;
    if minor(&book.version) != minor(MDBOOK_VERSION) {
        let text = format!("mdbook {} sent this book, this program was built for mdbook {MDBOOK_VERSION}", book.version);
        report.add(Kind::Notice, "mdbook", 0, text);
    }
    convert(book, spool, Overrides::default(), report)
}

/// Converts the book at `root` into `out`, with mdBook's own loader.
///
/// # Errors
/// As [`render`], and when the book cannot be loaded.
pub fn convert_book(root: &Path, out: &Path, overrides: Overrides, report: &mut Report) -> Result<Summary, Error> {
    let mut spool = open_spool()?;
    let book = load(root, out, overrides.preprocessors, &mut spool, report)?;
    convert(book, spool, overrides, report)
}

fn open_spool() -> Result<Spool, Error> {
    Spool::new().map_err(Error::io("open a temporary file in", &std::env::temp_dir()))
}

/// The part of a version within which mdBook keeps its protocol: `0.5` of `0.5.4`, `1` of `1.2.3`.
fn minor(version: &str) -> Option<(&str, &str)> {
    let (major, rest) = version.split_once('.')?;
    Some((major, if major == "0" { rest.split_once('.').map_or(rest, |(minor, _)| minor) } else { "" }))
}

/// What all pages are made from.
pub(crate) struct Site {
    options: Options,
    plan: Plan,
    index: Index,
    aliases: Aliases,
    surveys: Vec<Survey>,
    titles: Vec<String>,
}

impl Site {
    /// Whether a page's first heading is left to the theme.
    fn drops_heading(&self, node: usize) -> bool {
        self.options.drop_heading && self.surveys[node].heading.as_ref().is_some_and(|(text, _)| *text == self.titles[node])
    }
}

/// A page in the second spool.
struct Page {
    file: String,
    text: Span,
    hash: String,
}

fn convert(book: Book, mut spool: Spool, overrides: Overrides, report: &mut Report) -> Result<Summary, Error> {
    let mut options = Options::read(&book.config, &book.root, report)?;
    options.live |= overrides.live;
    options.strict |= overrides.strict;
    let destination = book.destination.clone();
    refuse_live(&destination, &options)?;
    let src = book.root.join(&book.config.book.src);
    let site = survey_all(book, options, &mut spool, report)?;
    let mut media = Media::new(&src);
    let mut summary = Summary::default();
    let mut outside = BTreeSet::new();
    let mut pages = Vec::new();
    for node in 0..site.plan.nodes.len() {
        let text = read(&mut spool, site.plan.nodes[node].text)?;
        let made = page::make(&site, node, &clean(&text), &mut media, &mut outside, report);
        summary.pages += usize::from(site.plan.nodes[node].role == Role::Page);
        summary.words += made.words;
        summary.links += made.links;
        summary.anchors += made.anchors;
        let hash = hash_bytes(made.text.as_bytes());
        let text = spool.put(&made.text).map_err(Error::io("write to a temporary file in", &std::env::temp_dir()))?;
        pages.push(Page { file: site.plan.nodes[node].file(&site.options), text, hash });
    }
    summary.media = media.copies.len();
    let strict = report.strict_count();
    if site.options.strict && strict > 0 {
        return Err(Error::Strict { count: strict });
    }
    let written = write_all(&site, &destination, &pages, &media, outside, &mut spool, report)?;
    summary.written = written.written;
    summary.unchanged = written.unchanged;
    summary.removed = written.removed;
    summary.checked = check_tree(&destination, report)?;
    match report.count(Kind::Fault) {
        0 => Ok(summary),
        count => Err(Error::Check { count, path: destination }),
    }
}

fn read(spool: &mut Spool, span: Span) -> Result<String, Error> {
    spool.get(span).map_err(Error::io("read from a temporary file in", &std::env::temp_dir()))
}

fn survey_all(book: Book, options: Options, spool: &mut Spool, report: &mut Report) -> Result<Site, Error> {
    let plan = {
        let spool = RefCell::new(&mut *spool);
        let own_slug = |chapter: &Chapter| {
            let text = spool.borrow_mut().get(chapter.text).ok()?;
            split(&clean(&text)).text("slug")
        };
        plan(book.items, &options, &own_slug, report)
    };
    warn_of_repeats(&plan, report);
    let index = Index::new(&plan);
    let aliases = aliases(&plan, &index, &options, report);
    let mut surveys = Vec::with_capacity(plan.nodes.len());
    let mut titles = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let text = clean(&read(spool, node.text)?);
        let own: Own = split(&text);
        let found = survey(&text[own.body_at..], &options.book);
        let heading = found.heading.as_ref().map(|(text, _)| text.clone());
        titles.push(own.text("title").or(heading).unwrap_or_else(|| node.name.clone()));
        surveys.push(found);
    }
    Ok(Site { options, plan, index, aliases, surveys, titles })
}

fn warn_of_repeats(plan: &Plan, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for node in plan.nodes.iter().filter(|node| node.role == Role::Page) {
        let path = node.path.as_deref().unwrap_or_default();
        if !seen.insert(path) {
            report.add(Kind::Notice, &node.source, 0, format!("`{path}` is in the book twice; links lead to the first"));
        }
        if crate::index::normalize("", path).is_none() {
            report.add(Kind::Notice, &node.source, 0, format!("the path `{path}` leaves the book; only its last part names the page"));
        }
    }
}

fn refuse_live(destination: &Path, options: &Options) -> Result<(), Error> {
    let real = destination.canonicalize().unwrap_or_else(|_| destination.to_path_buf());
    let parts: Vec<_> = real.components().map(|part| part.as_os_str().to_owned()).collect();
    let is_live = parts.windows(2).any(|pair| pair[0] == "user" && pair[1] == "pages");
    if is_live && !options.live { Err(Error::Live { path: destination.to_path_buf() }) } else { Ok(()) }
}

fn write_all(
    site: &Site,
    destination: &Path,
    pages: &[Page],
    media: &Media,
    outside: BTreeSet<String>,
    spool: &mut Spool,
    report: &mut Report,
) -> Result<Written, Error> {
    let options = &site.options;
    let manifest = Manifest { route: options.route.clone(), base: options.base.clone(), outside, ..Manifest::default() };
    let mut tree = Tree::open(destination, manifest)?;
    let mut copies = Vec::new();
    for (place, copied) in &media.copies {
        let source = media.source(&copied.path);
        let hash = if copied.zipped { zip(&source).map(|archive| hash_bytes(&archive)) } else { hash_file(&source) };
        copies.push((place, copied.zipped, hash.map_err(Error::io("read", &source))?, source));
    }
    let snippet = redirect_snippet(site);
    let snippet_hash = snippet.as_ref().map(|text| hash_bytes(text.as_bytes()));
    for page in pages {
        tree.look(&page.file, &page.hash)?;
    }
    for (place, _, hash, _) in &copies {
        tree.look(place, hash)?;
    }
    if let Some(hash) = &snippet_hash {
        tree.look(SNIPPET, hash)?;
    }
    for page in pages {
        let text = read(spool, page.text)?;
        tree.put(&page.file, &page.hash, &Content::Bytes(text.as_bytes()), report)?;
    }
    for (place, zipped, hash, source) in &copies {
        if *zipped {
            let archive = zip(source).map_err(Error::io("read", source))?;
            tree.put(place, hash, &Content::Bytes(&archive), report)?;
        } else {
            tree.put(place, hash, &Content::File(source), report)?;
        }
    }
    if let (Some(text), Some(hash)) = (&snippet, &snippet_hash) {
        tree.put(SNIPPET, hash, &Content::Bytes(text.as_bytes()), report)?;
    }
    tree.close(report)?;
    Ok(tree.counts)
}

/// Redirects to places outside the book, to be copied into the site's `site.yaml`.
const SNIPPET: &str = ".mdbook-grav.site.yaml";

fn redirect_snippet(site: &Site) -> Option<String> {
    if !site.options.redirect_snippet || site.aliases.outside.is_empty() {
        return None;
    }
    let quote = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let lines = site.aliases.outside.iter().map(|(old, new)| format!("  {}: {}\n", quote(old), quote(new)));
    Some(format!("redirects:\n{}", lines.collect::<String>()))
}
