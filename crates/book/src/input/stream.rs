//! The render context, read as a stream: each text goes to the spool the moment it is met.
//!
//! In: mdBook's JSON (0.5: `{"version","root","book":{"items":[…]},"config","destination"}`). Out: `Book`.
//! `RenderContext::from_json` would hold every chapter at once; the shape read here is the same, and a test compares the two.

use super::{Book, Chapter, Item, Span, Spool};
use crate::error::Error;
use mdbook_renderer::MDBOOK_VERSION;
use mdbook_renderer::config::Config;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

/// Reads a context to its end, so that mdBook never writes into a closed pipe.
pub(crate) fn read_context(mut input: impl Read, spool: &mut Spool) -> Result<Book, Error> {
    let mut parts = Parts::default();
    let result = {
        let mut json = serde_json::Deserializer::from_reader(&mut input);
        ContextSeed { spool, parts: &mut parts }.deserialize(&mut json).and_then(|()| json.end())
    };
    if let Err(why) = result {
        // The rest is read and dropped: a writer that meets a closed pipe reports that instead of our message.
        let _ignored = std::io::copy(&mut input, &mut std::io::sink());
        return Err(parts.error(why.to_string()));
    }
    parts.book()
}

#[derive(Default)]
struct Parts {
    version: Option<String>,
    root: Option<PathBuf>,
    config: Option<Config>,
    destination: Option<PathBuf>,
    items: Option<Vec<Item>>,
}

impl Parts {
    fn error(&self, why: String) -> Error {
        Error::Context { found: self.version.clone().unwrap_or_else(|| "unknown".into()), expected: MDBOOK_VERSION, why }
    }

    fn book(mut self) -> Result<Book, Error> {
        let (Some(root), Some(config), Some(destination), Some(items)) =
            (self.root.take(), self.config.take(), self.destination.take(), self.items.take())
        else {
            return Err(self.error("one of root, config, destination and book is missing".into()));
        };
        Ok(Book { version: self.version.unwrap_or_default(), root, config, destination, items })
    }
}

struct ContextSeed<'a> {
    spool: &'a mut Spool,
    parts: &'a mut Parts,
}

impl<'de> DeserializeSeed<'de> for ContextSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ContextSeed<'_> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a render context")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" => self.parts.version = Some(map.next_value()?),
                "root" => self.parts.root = Some(map.next_value()?),
                "config" => self.parts.config = Some(map.next_value()?),
                "destination" => self.parts.destination = Some(map.next_value()?),
                "book" => self.parts.items = Some(map.next_value_seed(BookSeed(self.spool))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct BookSeed<'a>(&'a mut Spool);

impl<'de> DeserializeSeed<'de> for BookSeed<'_> {
    type Value = Vec<Item>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<Item>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BookSeed<'_> {
    type Value = Vec<Item>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a book")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Item>, A::Error> {
        let mut items = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "items" => items = Some(map.next_value_seed(ItemsSeed(self.0))?),
                "sections" => return Err(A::Error::custom("`sections` was found where `items` was expected, so it comes from mdbook 0.4")),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        items.ok_or_else(|| A::Error::custom("the book has no `items`"))
    }
}

struct ItemsSeed<'a>(&'a mut Spool);

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = Vec<Item>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<Item>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = Vec<Item>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of chapters")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Item>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(ItemSeed(&mut *self.0))? {
            items.push(item);
        }
        Ok(items)
    }
}

struct ItemSeed<'a>(&'a mut Spool);

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = Item;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Item, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed<'_> {
    type Value = Item;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a chapter, a part title or a separator")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Item, E> {
        match text {
            "Separator" => Ok(Item::Separator),
            other => Err(E::custom(format!("`{other}` was found where a chapter was expected"))),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let item = match map.next_key::<String>()?.as_deref() {
            Some("Chapter") => Item::Chapter(map.next_value_seed(ChapterSeed(self.0))?),
            Some("PartTitle") => Item::Part(map.next_value()?),
            other => return Err(A::Error::custom(format!("`{}` was found where a chapter was expected", other.unwrap_or("{}")))),
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(item),
            Some(_) => Err(A::Error::custom("an item of the book has more than one key")),
        }
    }
}

struct ChapterSeed<'a>(&'a mut Spool);

impl<'de> DeserializeSeed<'de> for ChapterSeed<'_> {
    type Value = Chapter;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Chapter, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ChapterSeed<'_> {
    type Value = Chapter;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a chapter")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Chapter, A::Error> {
        let mut chapter = Chapter::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => chapter.name = map.next_value()?,
                "content" => chapter.text = map.next_value_seed(TextSeed(self.0))?,
                "number" => chapter.numbered = map.next_value::<Option<IgnoredAny>>()?.is_some(),
                "sub_items" => chapter.items = map.next_value_seed(ItemsSeed(self.0))?,
                "path" => chapter.path = map.next_value()?,
                "source_path" => chapter.source = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(chapter)
    }
}

struct TextSeed<'a>(&'a mut Spool);

impl<'de> DeserializeSeed<'de> for TextSeed<'_> {
    type Value = Span;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Span, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for TextSeed<'_> {
    type Value = Span;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        self.0.put(text).map_err(|why| E::custom(format!("cannot write to the spool: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdbook_renderer::RenderContext;
    use mdbook_renderer::book::{Book as TheirBook, BookItem, Chapter as TheirChapter, SectionNumber};

    fn context() -> RenderContext {
        let mut first = TheirChapter::new("One", "# One\n".into(), "one.md", vec![]);
        first.number = Some(SectionNumber::new([1]));
        first.sub_items = vec![
            BookItem::Separator,
            BookItem::Chapter(TheirChapter::new("Two", "zwei".into(), "dir/two.md", vec!["One".into()])),
            BookItem::Chapter(TheirChapter::new_draft("Later", vec![])),
        ];
        let book = TheirBook::new_with_items(vec![BookItem::PartTitle("Part".into()), BookItem::Chapter(first)]);
        RenderContext::new("/book", book, Config::default(), "/out")
    }

    #[test]
    fn reads_what_the_official_crate_writes() {
        let json = serde_json::to_vec(&context()).unwrap();
        let mut spool = Spool::new().unwrap();
        let book = read_context(json.as_slice(), &mut spool).unwrap();
        assert_eq!(book.version, MDBOOK_VERSION);
        assert_eq!(book.root, PathBuf::from("/book"));
        let [Item::Part(part), Item::Chapter(one)] = book.items.as_slice() else { panic!("{:?}", book.items) };
        assert_eq!(part, "Part");
        assert!(one.numbered);
        assert_eq!(spool.get(one.text).unwrap(), "# One\n");
        let [Item::Separator, Item::Chapter(two), Item::Chapter(later)] = one.items.as_slice() else { panic!("{:?}", one.items) };
        assert_eq!((two.path.as_deref(), two.numbered), (Some("dir/two.md"), false));
        assert_eq!(spool.get(two.text).unwrap(), "zwei");
        assert_eq!(later.path, None);
    }

    #[test]
    fn names_both_versions_for_an_old_context() {
        let json = br#"{"version":"0.4.52","root":"/b","book":{"sections":[],"__non_exhaustive":null}}"#;
        let error = read_context(json.as_slice(), &mut Spool::new().unwrap()).unwrap_err().to_string();
        assert!(error.contains("0.4.52") && error.contains(MDBOOK_VERSION), "{error}");
    }
}
