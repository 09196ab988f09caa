//! The file that remembers how far an import is, and the file of what could not be imported.
//!
//! # Invariants
//! - The state is replaced as a whole: a crash leaves the one before or the new one.
//! - Rejects are on the disk before the state that counts them; what lies behind is cut off when the import goes on.

use super::input::Input;
use super::window::{Counts, Position, Reject};
use crate::error::Fatal;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;
const REMEDY: &str = "check the room and the rights there";

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// Where to.
    url: String,
    token: String,
    inputs: Vec<KnownInput>,
    pub(super) position: Position,
    pub(super) counts: Counts,
    /// Length of the file of rejects.
    rejects_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownInput {
    name: String,
    bytes: u64,
    /// Checksum of its beginning.
    head: Option<u32>,
}

impl State {
    fn new(url: &str, token: &str, inputs: &[Input]) -> Result<Self, Fatal> {
        let known = |input: &Input| Ok(KnownInput { name: input.shown(), bytes: input.bytes(), head: input.head()? });
        let inputs = inputs.iter().map(known).collect::<Result<_, Fatal>>()?;
        let (position, counts) = (Position::default(), Counts::default());
        let (url, token) = (url.to_owned(), token.to_owned());
        Ok(Self { version: VERSION, url, token, inputs, position, counts, rejects_bytes: 0 })
    }

    /// Whether this is of the same import; inputs may have grown at their end meanwhile.
    fn is_of(&self, other: &Self) -> bool {
        let same = |(known, now): (&KnownInput, &KnownInput)| {
            let grown = known.bytes < now.bytes && known.bytes < 4096;
            known.name == now.name && known.bytes <= now.bytes && (known.head == now.head || grown)
        };
        let (of, here) = ((&self.url, &self.token, self.inputs.len()), (&other.url, &other.token, other.inputs.len()));
        of == here && self.inputs.iter().zip(&other.inputs).all(same)
    }
}

/// Both files.
#[derive(Debug)]
pub(super) struct Notes {
    path: PathBuf,
    rejects_path: PathBuf,
    rejects: Option<File>,
    pub(super) state: State,
}

impl Notes {
    /// Takes up the import that the file is of, or begins one.
    pub(super) fn open(path: &Path, rejects_path: &Path, (url, token): (&str, &str), inputs: &[Input], anew: bool) -> Result<Self, Fatal> {
        let mut state = State::new(url, token, inputs)?;
        let failed = |why: &dyn std::fmt::Display, remedy| Fatal::failure(&format!("cannot use the state {}", path.display()), why, remedy);
        match fs::read(path) {
            Ok(_) if anew => {}
            Ok(bytes) => {
                let found: State = serde_json::from_slice(&bytes).map_err(|error| failed(&error, "begin anew with --restart"))?;
                if found.version != VERSION || !found.is_of(&state) {
                    let why = "it is of another import: server, token, names, lengths or beginnings of the inputs differ";
                    return Err(failed(&why, "name another file with --state, or begin anew with --restart"));
                }
                let inputs = std::mem::take(&mut state.inputs);
                state = State { inputs, ..found };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error, REMEDY)),
        }
        let rejects_path = rejects_path.to_owned();
        let mut notes = Self { path: path.to_owned(), rejects_path, rejects: None, state };
        notes.cut_rejects().map_err(|error| notes.rejects_failed(&error))?;
        Ok(notes)
    }

    /// What was rejected after the position was noted will be so again.
    fn cut_rejects(&mut self) -> io::Result<()> {
        if !self.rejects_path.exists() {
            return Ok(());
        }
        if self.state.rejects_bytes == 0 {
            return fs::remove_file(&self.rejects_path);
        }
        let mut file = File::options().write(true).open(&self.rejects_path)?;
        file.set_len(self.state.rejects_bytes)?;
        file.seek(SeekFrom::End(0))?;
        self.rejects = Some(file);
        Ok(())
    }

    /// Notes a position with its counts, after the rejects before it.
    pub(super) fn save(&mut self, position: Position, counts: Counts, rejects: &[Reject]) -> Result<(), Fatal> {
        self.append(rejects).map_err(|error| self.rejects_failed(&error))?;
        self.state = State { position, counts, ..self.state.clone() };
        let write = || -> io::Result<()> {
            let unfinished = self.path.with_extension("tmp");
            let mut file = File::create(&unfinished)?;
            serde_json::to_writer_pretty(&mut file, &self.state)?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.path)
        };
        write().map_err(|error| Fatal::failure(&format!("cannot write the state {}", self.path.display()), error, REMEDY))
    }

    /// Forgets where to go on: all is done. The file goes, so that the same import may be made again, for instance into another server at the same place.
    pub(super) fn finish(&self) -> Result<(), Fatal> {
        fs::remove_file(&self.path)
            .map_err(|error| Fatal::failure(&format!("cannot remove the state {}", self.path.display()), error, REMEDY))
    }

    fn append(&mut self, rejects: &[Reject]) -> io::Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let file = match &mut self.rejects {
            Some(file) => file,
            none => none.insert(File::create(&self.rejects_path)?),
        };
        let mut lines = Vec::new();
        for reject in rejects {
            // A value that spans lines is one line here, so that the file can be imported when it is mended.
            lines.extend(reject.unfit.text.lines().map(str::trim).collect::<Vec<_>>().join(" ").into_bytes());
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        file.sync_data()?;
        self.state.rejects_bytes += lines.len() as u64;
        Ok(())
    }

    fn rejects_failed(&self, why: &io::Error) -> Fatal {
        Fatal::failure(&format!("cannot write {}", self.rejects_path.display()), why, REMEDY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::event::Unfit;

    #[test]
    fn an_import_is_taken_up_where_it_was_noted() {
        let dir = tempfile::tempdir().expect("directory");
        let (path, rejects, input) = (dir.path().join("state"), dir.path().join("rejects"), dir.path().join("in"));
        fs::write(&input, "one\n").expect("writes");
        let inputs = [Input::named(&input)];
        let open = |anew| Notes::open(&path, &rejects, ("http://a", "t"), &inputs, anew);
        let mut notes = open(false).expect("opens");
        let reject = |text: &str| Reject { input: 0, line: 1, unfit: Unfit { why: String::new(), text: text.to_owned() } };
        let (position, counts) = (Position { input: 0, byte: 4 }, Counts { accepted: 1, ..Counts::default() });
        notes.save(position, counts, &[reject("a\n  b")]).expect("saves");
        fs::write(&rejects, "a b\nnot noted\n").expect("writes");
        let found = open(false).expect("opens").state;
        assert_eq!((found.position, found.counts), (position, counts));
        assert_eq!(fs::read_to_string(&rejects).expect("reads"), "a b\n");
        fs::write(&input, "one\ntwo\n").expect("writes");
        assert_eq!(open(false).expect("an input may grow").state.position, position);
        fs::write(&input, "x").expect("writes");
        assert!(open(false).is_err(), "but not become another");
        assert_eq!(open(true).expect("begins anew").state.position, Position::default());
        assert!(!rejects.exists());
        notes.finish().expect("removes");
        assert_eq!(open(false).expect("nothing is known any more").state.counts, Counts::default());
    }
}
