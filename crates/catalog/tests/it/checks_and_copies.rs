//! A damaged byte of a catalog that was closed is found and never served; a copy taken while it is open is a catalog.

use crate::{clock, open, started};
use aqueduct_catalog::{Catalog, NewProject, OpenError, check};

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let directory = tempfile::tempdir().expect("directory");
    started(directory.path()).await.close().await.expect("closes");
    let (path, sums) = (directory.path().join("catalog.sqlite"), directory.path().join("catalog.sqlite.sums"));
    let (good, good_sums) = (std::fs::read(&path).expect("reads"), std::fs::read(&sums).expect("reads"));
    let found = check(&path, clock()).await.expect("checks");
    assert!(found.iter().all(aqueduct_event::FileCheck::is_sound) && found[0].holds == "1 projects", "{found:?}");
    for at in (3..good.len()).step_by(1999) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).expect("writes");
        let found = check(&path, clock()).await.expect("checks");
        let range = found[0].faults.first().and_then(|fault| fault.range.clone()).unwrap_or_default();
        assert!(range.contains(&(at as u64)), "byte {at}: {:?}", found[0].faults);
        let refusal = Catalog::open(&path, clock()).await.expect_err("refused");
        assert!(matches!(&refusal, OpenError::Damaged { what, .. } if what.contains("byte")), "{refusal}");
        assert!(sums.exists(), "a refused start changes nothing");
    }
    std::fs::write(&path, &good).expect("writes");
    let mut bad = good_sums;
    bad[30] ^= 1;
    std::fs::write(&sums, &bad).expect("writes");
    let found = check(&path, clock()).await.expect("checks");
    assert!(found[0].is_sound() && !found[1].is_sound());
    open(directory.path()).await.close().await.expect("nothing is lost");
    assert!(check(&path, clock()).await.expect("checks").iter().all(aqueduct_event::FileCheck::is_sound), "written anew");
}

#[tokio::test]
async fn a_copy_of_an_open_catalog() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let project = catalog.create_project(NewProject::default()).await.expect("creates");
    let copied = tempfile::tempdir().expect("directory");
    catalog.copy_to(&copied.path().join("catalog.sqlite")).await.expect("copies");
    catalog.create_project(NewProject::default()).await.expect("goes on");
    let copy = open(copied.path()).await;
    assert_eq!(copy.projects().len(), 2);
    assert_eq!(*copy.project(project.id).expect("is there"), *project);
    // What a check looks at may be open in another process; nothing is changed.
    assert_eq!(check(&directory.path().join("catalog.sqlite"), clock()).await.expect("checks")[0].holds, "3 projects");
}

#[tokio::test]
async fn no_catalog_is_no_fault() {
    let directory = tempfile::tempdir().expect("directory");
    assert!(check(&directory.path().join("catalog.sqlite"), clock()).await.expect("checks").is_empty());
}
