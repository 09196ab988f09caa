//! Replay after a crash gives the same rows and the same state, however the records are split into commits.

use crate::model::{Kept, ModelStore};
use crate::world::{Notes, encode, new_processor};
use aqueduct_event::JournalPosition;
use aqueduct_journal::Entry;
use aqueduct_store::Store;
use proptest::prelude::*;
use std::sync::Arc;

/// A random event about few persons, so that they meet.
fn line() -> impl Strategy<Value = String> {
    let id = || "[a-e]";
    let properties = prop_oneof![
        Just(String::new()),
        ("[p-r]", 0..3u8).prop_map(|(key, value)| format!(r#""$set":{{"{key}":{value}}}"#)),
        ("[p-r]", 0..3u8).prop_map(|(key, value)| format!(r#""$set_once":{{"{key}":{value}}}"#)),
        "[p-r]".prop_map(|key| format!(r#""$unset":["{key}"]"#)),
        ("[x-z]", "[p-r]").prop_map(|(group, key)| format!(r#""$groups":{{"{group}":"{key}"}}"#)),
        ("[A-C]", "[A-C]").prop_map(|(url, browser)| format!(r#""$current_url":"{url}","$browser":"{browser}""#)),
        Just(r#""$process_person_profile":false"#.to_owned()),
    ];
    prop_oneof![
        4 => (id(), properties).prop_map(|(id, properties)| format!(r#"{{"event":"e","distinct_id":"{id}","properties":{{{properties}}}}}"#)),
        1 => (id(), id()).prop_map(|(id, other)| format!(r#"{{"event":"$identify","distinct_id":"{id}","properties":{{"$anon_distinct_id":"{other}","$set":{{"p":9}}}}}}"#)),
        1 => (id(), id()).prop_map(|(id, other)| format!(r#"{{"event":"$create_alias","distinct_id":"{id}","properties":{{"alias":"{other}"}}}}"#)),
        1 => (id(), id()).prop_map(|(id, other)| format!(r#"{{"event":"$merge_dangerously","distinct_id":"{id}","properties":{{"alias":"{other}"}}}}"#)),
        1 => ("[x-z]", "[p-r]", 0..3u8).prop_map(|(kind, key, value)| format!(r#"{{"event":"$groupidentify","distinct_id":"g","properties":{{"$group_type":"{kind}","$group_key":"{key}","$group_set":{{"n":{value}}}}}}}"#)),
    ]
}

/// What happens after a commit.
#[derive(Clone, Copy, Debug)]
enum Fate {
    GoesOn,
    Flush,
    Crash,
    CommitFails,
}

fn fates() -> impl Strategy<Value = Vec<(usize, Fate)>> {
    let fate = prop_oneof![4 => Just(Fate::GoesOn), 2 => Just(Fate::Flush), 1 => Just(Fate::Crash), 1 => Just(Fate::CommitFails)];
    proptest::collection::vec((1..5_usize, fate), 1..30)
}

fn straight(entries: &[Entry]) -> Kept {
    let (store, notes) = (Arc::new(ModelStore::default()), Arc::new(Notes::default()));
    let commit = new_processor(&store, &notes, 1 << 20).apply(entries).expect("processed");
    store.commit(commit).expect("taken");
    store.kept()
}

fn with_accidents(entries: &[Entry], fates: &[(usize, Fate)]) -> Kept {
    let (store, notes) = (Arc::new(ModelStore::default()), Arc::new(Notes::default()));
    let mut processor = new_processor(&store, &notes, 0);
    let mut fates = fates.iter().copied();
    loop {
        let at = usize::try_from(store.kept().position.0).expect("few");
        if at == entries.len() {
            return store.kept();
        }
        let (count, fate) = fates.next().unwrap_or((entries.len(), Fate::GoesOn));
        let commit = processor.apply(&entries[at..entries.len().min(at + count)]).expect("processed");
        match fate {
            Fate::CommitFails => processor.forget(),
            Fate::GoesOn => store.commit(commit).expect("taken"),
            Fate::Flush => {
                store.commit(commit).expect("taken");
                store.flush().expect("flushed");
            }
            Fate::Crash => {
                store.commit(commit).expect("taken");
                store.crash();
                processor = new_processor(&store, &notes, 0);
            }
        }
    }
}

/// Overrides followed to their end: what a reader sees.
fn resolved(mut kept: Kept) -> Kept {
    let overrides = std::mem::take(&mut kept.overrides);
    for (project, row) in &mut kept.rows {
        // A person may be merged, so each step is one of those that came later.
        for (of, from, to) in &overrides {
            if of == project && row.person == *from {
                row.person = *to;
            }
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn accidents_change_nothing(records in proptest::collection::vec(proptest::collection::vec(line(), 1..4), 1..25), fates in fates()) {
        let mut sent = 0;
        let entries: Vec<Entry> = records
            .iter()
            .zip(0..)
            .map(|(lines, position)| {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                Entry { position: JournalPosition(position), payload: encode("plain", &mut sent, &lines).into() }
            })
            .collect();
        let expected = straight(&entries);
        let found = with_accidents(&entries, &fates);
        // Merged persons within one commit are handed over once, so that only the way there may differ, not the result.
        prop_assert_eq!(&found, &expected);

        // Every row belongs to the person that has its distinct id now.
        let seen = resolved(found);
        for (project, row) in &seen.rows {
            let owner = &seen.distinct_ids[&(*project, row.distinct_id.clone())];
            prop_assert_eq!(owner.person, row.person, "{} {}", row.event, row.distinct_id);
        }
        let alive: Vec<_> = seen.persons.values().filter(|person| !person.is_deleted).map(|person| person.id).collect();
        for id in seen.distinct_ids.values() {
            prop_assert!(id.is_personless != alive.contains(&id.person), "{:?}", id);
        }
    }
}
