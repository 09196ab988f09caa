//! A book read from its folder with mdBook's own crates, for use where mdBook is not installed.
//!
//! In: the folder of `book.toml`. Out: `Book`, after mdBook's own preprocessors (`links`, `index`).
//! Preprocessors of others are programs; they run only when asked for, and are named on standard error when they do not.

use super::{Book, Chapter, Item, Spool};
use crate::error::Error;
use crate::report::{Kind, Report};
use mdbook_driver::MDBook;
use mdbook_renderer::book::BookItem;
use mdbook_renderer::config::Config;
use mdbook_renderer::errors::Result as MdResult;
use mdbook_renderer::{MDBOOK_VERSION, RenderContext, Renderer};
use std::path::Path;

/// Stands in for the renderer while preprocessors ask whether they support it.
struct Grav;

impl Renderer for Grav {
    fn name(&self) -> &'static str {
        "grav"
    }
    fn render(&self, _context: &RenderContext) -> MdResult<()> {
        Ok(())
    }
}

/// Loads a book; `foreign` runs the preprocessors that its configuration names.
pub(crate) fn load(root: &Path, out: &Path, foreign: bool, spool: &mut Spool, report: &mut Report) -> Result<Book, Error> {
    let failed = |why: mdbook_renderer::errors::Error| Error::Book { path: root.to_path_buf(), why: format!("{why:#}") };
    let file = root.join("book.toml");
    let mut config = if file.is_file() { Config::from_disk(&file).map_err(failed)? } else { Config::default() };
    // Loading must not write into the book.
    config.build.create_missing = false;
    if !foreign {
        drop_foreign(&mut config, report);
    }
    let kept = config.clone();
    let book = MDBook::load_with_config(root, config).map_err(failed)?;
    let (book, _) = book.preprocess_book(&Grav).map_err(failed)?;
    let items = spool_items(book.items, spool).map_err(|why| Error::Book { path: root.to_path_buf(), why: why.to_string() })?;
    Ok(Book { version: MDBOOK_VERSION.into(), root: root.to_path_buf(), config: kept, destination: out.to_path_buf(), items })
}

fn drop_foreign(config: &mut Config, report: &mut Report) {
    let own = |name: &String| matches!(name.as_str(), "links" | "index");
    let all = config.preprocessors::<serde_json::Value>().unwrap_or_default();
    for name in all.keys().filter(|name| !own(name)) {
        report.add(Kind::Notice, "book.toml", 0, format!("preprocessor `{name}` was not run (ask with --preprocessors)"));
    }
    let kept: std::collections::BTreeMap<_, _> = all.into_iter().filter(|(name, _)| own(name)).collect();
    // A table of tables can always be represented, so the replacement cannot fail.
    let _replaced = config.set("preprocessor", kept);
}

fn spool_items(items: Vec<BookItem>, spool: &mut Spool) -> std::io::Result<Vec<Item>> {
    items.into_iter().map(|item| spool_item(item, spool)).collect()
}

fn spool_item(item: BookItem, spool: &mut Spool) -> std::io::Result<Item> {
    Ok(match item {
        BookItem::Separator => Item::Separator,
        BookItem::PartTitle(title) => Item::Part(title),
        BookItem::Chapter(chapter) => Item::Chapter(Chapter {
            text: spool.put(&chapter.content)?,
            numbered: chapter.number.is_some(),
            path: chapter.path.map(|path| path.to_string_lossy().into_owned()),
            source: chapter.source_path.map(|path| path.to_string_lossy().into_owned()),
            items: spool_items(chapter.sub_items, spool)?,
            name: chapter.name,
        }),
    })
}
