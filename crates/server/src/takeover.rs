//! A new process takes the listening sockets of the one that runs, so that no connection is ever refused.
//!
//! They talk over a socket in the data directory, `takeover.sock`, for this user only:
//!
//! ```text
//! successor                          this process
//! "aqueduct takeover 1" ───────────▶
//!                       ◀─────────── "aqueduct sockets 1" and the two listening sockets
//!   accepts, lets requests wait
//! "go" ────────────────────────────▶ accepts no more, finishes, writes out, gives up the directory
//!                       ◀─────────── "released"
//!   opens the directory, answers
//! ```
//! A conversation that breaks off before "go" changes nothing.

use crate::error::Fatal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;

const NAME: &str = "takeover.sock";
const ASKS: &[u8] = b"aqueduct takeover 1\n";
const SOCKETS: &[u8] = b"aqueduct sockets 1\n";
const GO: &[u8] = b"go\n";
const RELEASED: &[u8] = b"released\n";
/// For each step of the conversation but the last.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// For the process before to finish and write out; longer than its own bounds.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(120);

/// The sockets of both listeners.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) main: TcpListener,
    pub(crate) ops: TcpListener,
}

impl Pair {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { main: self.main.try_clone()?, ops: self.ops.try_clone()? })
    }
}

/// Where successors ask; the file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    listener: UnixListener,
    path: PathBuf,
    sockets: Pair,
}

impl Offer {
    /// Listens for successors. The data directory must be this process's: a file that is there already is of one that died.
    pub(crate) fn open(data_dir: &Path, sockets: Pair) -> io::Result<Self> {
        let path = data_dir.join(NAME);
        match std::fs::remove_file(&path) {
            Err(failure) if failure.kind() != io::ErrorKind::NotFound => return Err(failure),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path, sockets })
    }

    /// Waits until a successor has the sockets and accepts.
    pub(crate) async fn taken(&self) -> Heir {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let own = rustix::process::geteuid().as_raw();
                    let allowed = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
                    match stream.into_std().and_then(|stream| Ok((stream, self.sockets.try_clone()?))) {
                        Ok((stream, sockets)) if allowed => {
                            let talk = tokio::task::spawn_blocking(move || hand(stream, &sockets)).await;
                            match talk {
                                Ok(Ok(heir)) => return heir,
                                Ok(Err(failure)) => tracing::warn!(%failure, "a new process asked for the sockets and went away"),
                                Err(failure) => tracing::warn!(%failure, "the sockets could not be handed over"),
                            }
                        }
                        _ => tracing::warn!("somebody who may not asked for the sockets"),
                    }
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a new process could not be heard");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn hand(stream: UnixStream, sockets: &Pair) -> io::Result<Heir> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    expect(&mut reader, ASKS)?;
    let fds = [sockets.main.as_fd(), sockets.ops.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("no room for two sockets in a message"));
    }
    rustix::net::sendmsg(&stream, &[IoSlice::new(SOCKETS)], &mut ancillary, SendFlags::NOSIGNAL)?;
    expect(&mut reader, GO)?;
    Ok(Heir(stream))
}

fn expect(reader: &mut impl BufRead, line: &[u8]) -> io::Result<()> {
    let mut found = Vec::new();
    reader.read_until(b'\n', &mut found)?;
    if found == line {
        return Ok(());
    }
    let (found, line) = (found.escape_ascii(), line.escape_ascii());
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("found \"{found}\", expected \"{line}\"")))
}

/// A successor that accepts and waits for the data directory.
#[derive(Debug)]
pub(crate) struct Heir(UnixStream);

impl Heir {
    /// The data directory is free.
    pub(crate) fn released(mut self) {
        // If it went away, nobody is left to be told.
        let _ = self.0.write_all(RELEASED);
    }
}

/// What a successor got.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) sockets: Pair,
    stream: UnixStream,
}

impl Taken {
    /// Asks the process that runs on the data directory for its sockets; `None` when there is none.
    pub(crate) fn ask(data_dir: &Path) -> Result<Option<Self>, Fatal> {
        let path = data_dir.join(NAME);
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(failure) if matches!(failure.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
            Err(failure) => return Err(failed(&path, failure)),
        };
        take(stream).map(Some).map_err(|failure| failed(&path, failure))
    }

    /// Tells the process before to finish. This one accepts by now.
    pub(crate) fn go(&self) -> Result<(), Fatal> {
        (&self.stream).write_all(GO).map_err(|failure| failed(Path::new(NAME), failure))
    }

    /// Waits until the process before has given up the data directory, or is gone. Blocks.
    pub(crate) fn wait_for_release(self) {
        let waited = self.stream.set_read_timeout(Some(RELEASE_TIMEOUT)).and_then(|()| expect(&mut BufReader::new(&self.stream), RELEASED));
        if let Err(failure) = waited {
            // The lock of the directory tells the truth in a moment.
            tracing::warn!(%failure, "the process before did not say that it was done");
        }
    }
}

fn take(stream: UnixStream) -> io::Result<Taken> {
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    (&stream).write_all(ASKS)?;
    let mut bytes = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(&stream, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    expect(&mut &bytes[..received.bytes], SOCKETS)?;
    match <[OwnedFd; 2]>::try_from(fds) {
        Ok([main, ops]) => Ok(Taken { sockets: Pair { main: main.into(), ops: ops.into() }, stream }),
        Err(fds) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("found {} sockets, expected 2", fds.len()))),
    }
}

fn failed(path: &Path, failure: io::Error) -> Fatal {
    Fatal::failure(&format!("cannot take over by {}", path.display()), failure, "the server that runs goes on; try again, or stop it first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").expect("binds")
    }

    #[tokio::test]
    async fn sockets_go_over_and_a_broken_conversation_changes_nothing() {
        let directory = tempfile::tempdir().expect("directory");
        assert!(Taken::ask(directory.path()).expect("asks").is_none(), "nobody is there");
        let sockets = Pair { main: listening(), ops: listening() };
        let (main, ops) = (sockets.main.local_addr().expect("address"), sockets.ops.local_addr().expect("address"));
        let offer = Offer::open(directory.path(), sockets).expect("opens");
        let path = directory.path().to_owned();
        let successor = tokio::task::spawn_blocking(move || {
            let mut stranger = UnixStream::connect(path.join(NAME)).expect("connects");
            stranger.write_all(b"what is this?\n").expect("writes");
            drop(Taken::ask(&path).expect("asks").expect("found, then gone"));
            let taken = Taken::ask(&path).expect("asks").expect("found");
            taken.go().expect("says");
            let addresses = (taken.sockets.main.local_addr().expect("address"), taken.sockets.ops.local_addr().expect("address"));
            taken.wait_for_release();
            addresses
        });
        let heir = offer.taken().await;
        drop(offer);
        assert!(Taken::ask(directory.path()).expect("asks").is_none(), "the file is gone");
        heir.released();
        assert_eq!(successor.await.expect("runs"), (main, ops));
    }
}
