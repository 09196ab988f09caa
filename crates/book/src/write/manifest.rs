//! The manifest: which files of a tree are ours, and what they held when we wrote them.
//!
//! In and out: `.mdbook-grav.json` at the top of the tree. Grav skips names that start with a dot.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Its name.
pub(crate) const MANIFEST: &str = ".mdbook-grav.json";
/// The form that this program writes.
const VERSION: u32 = 1;

/// What an earlier run left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    /// The route below which the tree is mounted.
    pub(crate) route: String,
    /// What links in raw HTML have before their route.
    pub(crate) base: String,
    /// Addresses left as the author wrote them, since they do not lead into the book.
    pub(crate) outside: BTreeSet<String>,
    /// Path in the tree to SHA-256 of the bytes written.
    pub(crate) files: BTreeMap<String, String>,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest { version: VERSION, route: String::new(), base: String::new(), outside: BTreeSet::new(), files: BTreeMap::new() }
    }
}

impl Manifest {
    /// Reads the manifest of a tree; an empty one when there is none.
    pub(crate) fn read(tree: &Path) -> Result<Manifest, Error> {
        let path = tree.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
            Err(why) => return Err(Error::io("read", &path)(why)),
        };
        let bad = |why: String| Error::Manifest { path: path.clone(), why };
        let manifest: Manifest = serde_json::from_str(&text).map_err(|why| bad(why.to_string()))?;
        if manifest.version != VERSION {
            return Err(bad(format!("it has version {}, expected {VERSION}", manifest.version)));
        }
        // It is a list of files to remove: a path that climbs out of the tree is somebody's mistake or malice.
        if let Some(path) =
            manifest.files.keys().find(|path| path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")))
        {
            return Err(bad(format!("it names `{path}`, expected paths within the tree")));
        }
        Ok(manifest)
    }

    /// Its bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// SHA-256 of bytes, in hex.
pub(crate) fn hash_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read piece by piece.
pub(crate) fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
