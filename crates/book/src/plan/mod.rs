//! The tree: one numbered folder for each page, and the route that it answers at.
//!
//! In: the items of the book in reading order. Out: `Plan`, its nodes in reading order, parents before children.
//!
//! # Invariants
//! - Siblings' numbers start at 1 and have one width, so that order as text is order as number.
//! - No two nodes have the same route, whatever the case.
//! - A folder's name comes from the chapter's own path first; a chapter that is added moves numbers only.

mod alias;
mod slug;

pub(crate) use alias::{Aliases, aliases};
pub(crate) use slug::slug_of;

use crate::input::{Chapter, Item, Span};
use crate::options::{Home, Options};
use crate::report::{Kind, Report};
use slug::Siblings;

/// What a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A chapter with text.
    Page,
    /// A draft that has chapters below it: a title that does not answer.
    Stub,
    /// A part title, when parts are folders.
    Part,
}

/// One folder.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    /// The name in the summary.
    pub(crate) name: String,
    /// The title of the part that it stands in.
    pub(crate) part: Option<String>,
    /// Where mdBook would put it, relative to `src`.
    pub(crate) path: Option<String>,
    /// What to call it on standard error and in `mdbook.source`.
    pub(crate) source: String,
    pub(crate) text: Span,
    /// Relative to the destination, with `/`.
    pub(crate) folder: String,
    /// With the mount, as `/docs/guide/intro`.
    pub(crate) route: String,
    pub(crate) is_home: bool,
}

impl Node {
    /// The page's file, relative to the destination.
    pub(crate) fn file(&self, options: &Options) -> String {
        let template = if self.role == Role::Part { "chapter" } else { options.template.as_str() };
        format!("{}/{template}.md", self.folder)
    }

    /// The address of the page for a link: `/` for home.
    pub(crate) fn address(&self) -> &str {
        if self.is_home { "/" } else { &self.route }
    }
}

/// All folders in reading order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
}

struct Planner<'a> {
    options: &'a Options,
    nodes: Vec<Node>,
    /// The chapters' own slugs, where an option takes them: by the place of their text in reading order.
    own_slug: &'a dyn Fn(&Chapter) -> Option<String>,
}

struct Place {
    folder: String,
    route: String,
}

/// Plans the whole tree.
pub(crate) fn plan(items: Vec<Item>, options: &Options, own_slug: &dyn Fn(&Chapter) -> Option<String>, report: &mut Report) -> Plan {
    let home = home_slug(&items, options, report);
    let mut planner = Planner { options, nodes: Vec::new(), own_slug };
    let top = Place { folder: String::new(), route: options.route.clone() };
    let items = if options.part_folders { wrap_parts(items) } else { items.into_iter().map(Group::Item).collect() };
    planner.level(items, &top, None, home);
    for node in &planner.nodes {
        let bytes = node.folder.len() + options.template.len() + 4;
        if bytes > 1000 {
            report.add(Kind::Notice, &node.source, 0, format!("the page's path has {bytes} bytes, some hosts allow 1000"));
        }
    }
    Plan { nodes: planner.nodes }
}

/// An item, or a part with its chapters.
enum Group {
    Item(Item),
    Part(String, Vec<Item>),
}

fn wrap_parts(items: Vec<Item>) -> Vec<Group> {
    let mut groups = Vec::new();
    for item in items {
        match item {
            Item::Part(title) => groups.push(Group::Part(title, Vec::new())),
            Item::Separator => {}
            Item::Chapter(chapter) => match groups.last_mut() {
                // Suffix chapters have no number and stand after the last part, not in it.
                Some(Group::Part(_, inside)) if chapter.numbered => inside.push(Item::Chapter(chapter)),
                _ => groups.push(Group::Item(Item::Chapter(chapter))),
            },
        }
    }
    groups
}

fn home_slug(items: &[Item], options: &Options, report: &mut Report) -> bool {
    let first = items.iter().find_map(|item| match item {
        Item::Chapter(chapter) => Some(chapter),
        _ => None,
    });
    let fits = first.is_some_and(|chapter| {
        chapter.path.is_some() && (!chapter.numbered || matches!(chapter.path.as_deref(), Some("index.md" | "README.md")))
    });
    match options.home {
        Home::None => false,
        Home::First => first.is_some_and(|chapter| chapter.path.is_some()),
        Home::Auto => {
            if !fits {
                report.add(Kind::Notice, "SUMMARY.md", 0, "no page answers at `/`: the first chapter is numbered (option `home`)");
            }
            fits
        }
    }
}

/// Whether a folder is made for an item.
fn makes_folder(item: &Item) -> bool {
    match item {
        Item::Chapter(chapter) => chapter.path.is_some() || chapter.items.iter().any(makes_folder),
        _ => false,
    }
}

impl Planner<'_> {
    fn level(&mut self, groups: Vec<Group>, place: &Place, part: Option<&str>, home: bool) {
        let count = groups
            .iter()
            .filter(|group| match group {
                Group::Item(item) => makes_folder(item),
                Group::Part(_, items) => items.iter().any(makes_folder),
            })
            .count();
        let width = self.options.number_width.max(count.to_string().len());
        let mut siblings = Siblings::default();
        let mut part = part.map(str::to_owned);
        let mut number = 0;
        for group in groups {
            match group {
                Group::Part(title, items) if items.iter().any(makes_folder) => {
                    number += 1;
                    let inside = self.part(title, &format!("{number:0width$}"), place, &mut siblings);
                    self.level(items.into_iter().map(Group::Item).collect(), &inside, None, false);
                }
                Group::Item(Item::Chapter(chapter)) => {
                    if !makes_folder_of(&chapter) {
                        continue;
                    }
                    number += 1;
                    if place.folder.is_empty() && !chapter.numbered && number > 1 && part.is_some() {
                        part = None;
                    }
                    let is_home = home && number == 1;
                    self.chapter(chapter, &format!("{number:0width$}"), place, &mut siblings, part.as_deref(), is_home);
                }
                Group::Item(Item::Part(title)) => part = Some(title),
                Group::Item(Item::Separator) | Group::Part(..) => {}
            }
        }
    }

    fn part(&mut self, title: String, number: &str, place: &Place, siblings: &mut Siblings) -> Place {
        let slug = siblings.unique(&slug_of(&title));
        let inside = Place { folder: join(&place.folder, &format!("{number}.{slug}")), route: format!("{}/{slug}", place.route) };
        self.nodes.push(Node {
            role: Role::Part,
            source: format!("SUMMARY.md part {title}"),
            name: title,
            part: None,
            path: None,
            text: Span::default(),
            folder: inside.folder.clone(),
            route: inside.route.clone(),
            is_home: false,
        });
        inside
    }

    fn chapter(&mut self, chapter: Chapter, number: &str, place: &Place, siblings: &mut Siblings, part: Option<&str>, is_home: bool) {
        let own = if self.options.keep_slug { (self.own_slug)(&chapter) } else { None };
        let base = if is_home { "home".to_owned() } else { own.map_or_else(|| slug::chapter_slug(&chapter), |own| slug_of(&own)) };
        let slug = siblings.unique(&base);
        let inside = Place { folder: join(&place.folder, &format!("{number}.{slug}")), route: format!("{}/{slug}", place.route) };
        let role = if chapter.path.is_some() { Role::Page } else { Role::Stub };
        let source =
            chapter.source.clone().or_else(|| chapter.path.clone()).unwrap_or_else(|| format!("SUMMARY.md draft {}", chapter.name));
        self.nodes.push(Node {
            role,
            name: chapter.name,
            part: part.map(str::to_owned),
            path: chapter.path,
            source,
            text: chapter.text,
            folder: inside.folder.clone(),
            route: inside.route.clone(),
            is_home: is_home && self.options.route.is_empty(),
        });
        self.level(chapter.items.into_iter().map(Group::Item).collect(), &inside, part, false);
    }
}

fn makes_folder_of(chapter: &Chapter) -> bool {
    chapter.path.is_some() || chapter.items.iter().any(makes_folder)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests;
