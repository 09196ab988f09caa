//! Accounts in the manifest: counts of verdicts, fates, dead letters.
//!
//! Fates lie in epochs of [`EPOCH_FATES`] each, every epoch in two tables of its own, so that the oldest are forgotten by dropping tables.

use super::{LETTERS, META, TOTALS, VERDICTS, account_records as records};
use crate::account::{DeadLetter, Fate, LetterChange};
use crate::embedded::account::Account;
use aqueduct_event::verdict::DropReason;
use aqueduct_event::{Minute, TallyKey, Verdict};
use redb::{ReadableTable, Table, TableDefinition, TableHandle, WriteTransaction};
use std::collections::HashSet;

/// Fates of one epoch, about: a flush does not part its fates.
pub(crate) const EPOCH_FATES: u64 = 100_000;
const HOUR: u32 = 60;

pub(super) const LETTER_BYTES: &str = "letter_bytes";
pub(super) const HOURS_BEFORE: &str = "hours_before";
pub(super) const FATES_EPOCH: &str = "fates_epoch";
const FATES_IN_EPOCH: &str = "fates_in_epoch";

/// Settings of the account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountLimits {
    /// Counts of minutes before this one are added up to hours.
    pub(crate) hours_before: Minute,
    /// Epochs of fates that are kept.
    pub(crate) epochs: u64,
}

/// Names of the tables of an epoch: by id of the event, and by who did it.
pub(super) fn fate_tables(epoch: u64) -> (String, String) {
    (format!("fates_{epoch}"), format!("fates_by_{epoch}"))
}

/// The minute under which a count is kept.
pub(crate) fn bucket(minute: Minute, hours_before: Minute) -> Minute {
    if minute < hours_before { Minute(minute.0 - minute.0 % HOUR) } else { minute }
}

/// Writes an account. Answers nothing: what it adds up to is read back.
pub(super) fn write(transaction: &WriteTransaction, account: &Account, limits: AccountLimits) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    let before = Minute(number(&meta, HOURS_BEFORE)?.try_into().unwrap_or(u32::MAX));
    let hours_before = before.max(Minute(limits.hours_before.0 - limits.hours_before.0 % HOUR));
    let mut verdicts = transaction.open_table(VERDICTS)?;
    let mut totals = transaction.open_table(TOTALS)?;
    for (key, events) in account.tally.sorted() {
        let row = TallyKey { minute: bucket(key.minute, hours_before), ..key };
        add(&mut verdicts, &records::tally_key(row), events)?;
        add(&mut totals, &records::total_key(key.project, key.verdict), events)?;
    }
    if hours_before > before {
        fold(&mut verdicts, hours_before)?;
        meta.insert(HOURS_BEFORE, u64::from(hours_before.0))?;
    }
    let letters = account.letters.values().map(|change| &**change);
    let delta = write_letters(transaction, letters)?;
    let bytes = number(&meta, LETTER_BYTES)?.saturating_add_signed(delta);
    meta.insert(LETTER_BYTES, bytes)?;
    write_fates(transaction, &mut meta, account, limits.epochs)
}

fn number<'t>(meta: &Table<'t, &'static str, u64>, name: &str) -> Result<u64, redb::Error> {
    Ok(meta.get(name)?.map_or(0, |value| value.value()))
}

/// Adds to a count; a count of 0 has no row.
pub(super) fn add<const N: usize>(table: &mut Table<'_, &'static [u8], i64>, key: &[u8; N], events: i64) -> Result<(), redb::Error> {
    let before = table.get(&key[..])?.map_or(0, |value| value.value());
    if before + events == 0 {
        table.remove(&key[..])?;
    } else {
        table.insert(&key[..], before + events)?;
    }
    Ok(())
}

/// Adds minutes up to their hours.
fn fold(verdicts: &mut Table<'_, &'static [u8], i64>, before: Minute) -> Result<(), redb::Error> {
    let mut minutes = Vec::new();
    for row in verdicts.range(..&before.0.to_be_bytes()[..])? {
        let (key, events) = row?;
        // What this program does not know it leaves as it is.
        if let Some(key) = records::decode_tally_key(key.value()).filter(|key| bucket(key.minute, before) != key.minute) {
            minutes.push((key, events.value()));
        }
    }
    for (key, events) in minutes {
        verdicts.remove(&records::tally_key(key)[..])?;
        add(verdicts, &records::tally_key(TallyKey { minute: bucket(key.minute, before), ..key }), events)?;
    }
    Ok(())
}

/// Writes changes of letters; by how many bytes they grew.
pub(super) fn write_letters<'c>(
    transaction: &WriteTransaction,
    changes: impl Iterator<Item = &'c LetterChange>,
) -> Result<i64, redb::Error> {
    let mut letters = transaction.open_table(LETTERS)?;
    let mut delta = 0;
    for change in changes {
        let (project, id) = change.key();
        let key = records::letter_key(project, id);
        let (before, after) = match change {
            LetterChange::Keep(letter) => {
                let before = letters.insert(&key[..], &records::encode_letter(letter)[..])?;
                (before.and_then(|before| records::decode_letter(&key, before.value())), letter.bytes())
            }
            LetterChange::Remove { .. } => {
                let before = letters.remove(&key[..])?;
                (before.and_then(|before| records::decode_letter(&key, before.value())), 0)
            }
        };
        delta += after as i64 - before.map_or(0, |letter| letter.bytes() as i64);
    }
    Ok(delta)
}

fn write_fates(
    transaction: &WriteTransaction,
    meta: &mut Table<'_, &'static str, u64>,
    account: &Account,
    epochs: u64,
) -> Result<(), redb::Error> {
    if account.fates.is_empty() {
        return Ok(());
    }
    let (mut epoch, mut held) = (number(meta, FATES_EPOCH)?, number(meta, FATES_IN_EPOCH)?);
    if held >= EPOCH_FATES {
        (epoch, held) = (epoch + 1, 0);
    }
    let (by_uuid, by_id) = fate_tables(epoch);
    let mut by_uuid = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&by_uuid))?;
    let mut by_id = transaction.open_table(TableDefinition::<&[u8], ()>::new(&by_id))?;
    let mut fates: Vec<&Fate> = account.fates.iter().flat_map(|fates| fates.iter()).collect();
    held += fates.len() as u64;
    fates.sort_unstable_by_key(|fate| (fate.project, fate.uuid));
    for fate in &fates {
        by_uuid.insert(&records::fate_key(fate)[..], &records::encode_fate(fate)[..])?;
    }
    fates.sort_unstable_by_key(|fate| (fate.project, &fate.distinct_id));
    for fate in fates {
        by_id.insert(&records::fate_by_key(fate)[..], ())?;
    }
    meta.insert(FATES_EPOCH, epoch)?;
    meta.insert(FATES_IN_EPOCH, held)?;
    if let Some(old) = epoch.checked_sub(epochs.max(1)) {
        let (by_uuid, by_id) = fate_tables(old);
        transaction.delete_table(TableDefinition::<&[u8], &[u8]>::new(&by_uuid))?;
        transaction.delete_table(TableDefinition::<&[u8], ()>::new(&by_id))?;
    }
    Ok(())
}

/// A change of the account beside the commits.
#[derive(Debug)]
pub(crate) enum AccountEdit<'a> {
    /// The payload is replaced.
    Amend(&'a DeadLetter),
    /// The letter goes; its events are `dropped:discarded`.
    Discard(&'a DeadLetter),
    /// The letters go, their events are `dropped:erased`; the fates tell nothing of who it was any more.
    Erase {
        /// Letters of those who are erased.
        letters: &'a [DeadLetter],
        /// Their fates, those of the letters too.
        fates: &'a [Fate],
    },
}

impl AccountEdit<'_> {
    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let (changes, verdict): (Vec<LetterChange>, _) = match self {
            Self::Amend(letter) => (vec![LetterChange::Keep((*letter).clone())], None),
            Self::Discard(letter) => (vec![removal(letter)], Some(Verdict::Dropped(DropReason::Discarded))),
            Self::Erase { letters, .. } => (letters.iter().map(removal).collect(), Some(Verdict::Dropped(DropReason::Erased))),
        };
        let delta = write_letters(transaction, changes.iter())?;
        let mut meta = transaction.open_table(META)?;
        let bytes = number(&meta, LETTER_BYTES)?.saturating_add_signed(delta);
        meta.insert(LETTER_BYTES, bytes)?;
        let gone: &[DeadLetter] = match self {
            Self::Amend(_) => &[],
            Self::Discard(letter) => std::slice::from_ref(letter),
            Self::Erase { letters, .. } => letters,
        };
        if let Some(verdict) = verdict {
            recount(transaction, &meta, gone, verdict)?;
        }
        if let Self::Erase { fates, .. } = self {
            blank_fates(transaction, &meta, fates)?;
        }
        Ok(())
    }
}

fn removal(letter: &DeadLetter) -> LetterChange {
    LetterChange::Remove { project: letter.project, id: letter.id }
}

/// The events of letters that go get another verdict.
fn recount(
    transaction: &WriteTransaction,
    meta: &Table<'_, &'static str, u64>,
    gone: &[DeadLetter],
    to: Verdict,
) -> Result<(), redb::Error> {
    let hours_before = Minute(number(meta, HOURS_BEFORE)?.try_into().unwrap_or(u32::MAX));
    let (mut verdicts, mut totals) = (transaction.open_table(VERDICTS)?, transaction.open_table(TOTALS)?);
    for letter in gone {
        let (from, events) = (letter.tally_key(), i64::from(letter.events));
        for (verdict, events) in [(from.verdict, -events), (to, events)] {
            let row = TallyKey { minute: bucket(from.minute, hours_before), project: from.project, verdict };
            add(&mut verdicts, &records::tally_key(row), events)?;
            add(&mut totals, &records::total_key(from.project, verdict), events)?;
        }
    }
    Ok(())
}

/// Takes out of fates what tells who it was. That they are there is what an audit needs.
fn blank_fates(transaction: &WriteTransaction, meta: &Table<'_, &'static str, u64>, fates: &[Fate]) -> Result<(), redb::Error> {
    let known: HashSet<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    for epoch in (0..=number(meta, FATES_EPOCH)?).rev() {
        let (by_uuid, by_id) = fate_tables(epoch);
        if !known.contains(&by_uuid) {
            break;
        }
        let mut by_uuid = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&by_uuid))?;
        let mut by_id = transaction.open_table(TableDefinition::<&[u8], ()>::new(&by_id))?;
        for fate in fates {
            if by_id.remove(&records::fate_by_key(fate)[..])?.is_some() {
                let verdict = match fate.verdict {
                    Verdict::DeadLettered(_) => Verdict::Dropped(DropReason::Erased),
                    other => other,
                };
                let blank = Fate { event: "".into(), distinct_id: "".into(), detail: "".into(), verdict, ..fate.clone() };
                by_uuid.insert(&records::fate_key(&blank)[..], &records::encode_fate(&blank)[..])?;
            }
        }
    }
    Ok(())
}
