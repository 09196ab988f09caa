//! The tree of folders, as text.

use super::*;
use mdbook_renderer::config::Config;

fn chapter(path: &str, numbered: bool, items: Vec<Item>) -> Item {
    let path = (!path.is_empty()).then(|| path.to_owned());
    Item::Chapter(Chapter { name: "A Name".into(), numbered, path, items, ..Chapter::default() })
}

fn folders(items: Vec<Item>, change: impl Fn(&mut Options)) -> Vec<String> {
    let mut options = Options::defaults(&Config::default());
    change(&mut options);
    let plan = plan(items, &options, &|_| None, &mut Report::default());
    plan.nodes.into_iter().map(|node| format!("{} {}", node.folder, node.route)).collect()
}

#[test]
fn prefix_numbered_and_suffix_in_one_sequence() {
    let items = vec![
        chapter("intro.md", false, vec![]),
        Item::Part("Part".into()),
        chapter("a.md", true, vec![chapter("a/b.md", true, vec![]), Item::Separator, chapter("a/c.md", true, vec![])]),
        Item::Separator,
        chapter("end.md", false, vec![]),
    ];
    assert_eq!(folders(items, |_| {}), ["01.home /home", "02.a /a", "02.a/01.b /a/b", "02.a/02.c /a/c", "03.end /end"]);
}

#[test]
fn a_draft_has_a_folder_only_for_its_children() {
    let items = vec![chapter("", true, vec![]), chapter("", true, vec![chapter("x.md", true, vec![])]), chapter("y.md", true, vec![])];
    assert_eq!(folders(items, |_| {}), ["01.a-name /a-name", "01.a-name/01.x /a-name/x", "02.y /y"]);
}

#[test]
fn widths_follow_the_number_of_siblings() {
    let items = (0..100).map(|count| chapter(&format!("{count}.md"), true, vec![])).collect();
    let folders = folders(items, |_| {});
    assert_eq!((folders[0].as_str(), folders[99].as_str()), ("001.0 /0", "100.99 /99"));
}

#[test]
fn parts_may_be_folders_and_end_before_the_suffix() {
    let items =
        vec![Item::Part("Part One".into()), chapter("a.md", true, vec![]), Item::Part("Empty".into()), chapter("z.md", false, vec![])];
    let change = |options: &mut Options| {
        options.part_folders = true;
        options.route = "/docs".into();
        options.home = Home::None;
    };
    assert_eq!(folders(items, change), ["01.part-one /docs/part-one", "01.part-one/01.a /docs/part-one/a", "02.z /docs/z"]);
}
