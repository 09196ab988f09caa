//! Where the listening sockets come from: from the process before, from systemd, or made here.

use crate::config::Config;
use crate::error::Fatal;
use crate::takeover::{Pair, Taken};
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// The name that systemd gives to the operator's socket (`FileDescriptorName=`). Any other is the main one.
const OPS_NAME: &str = "ops";

/// The sockets of both listeners, ready for tokio.
pub(crate) fn open(config: &Config, taken: Option<&Taken>) -> Result<Pair, Fatal> {
    let passed = |failure: io::Error| Fatal::failure("cannot use the sockets that were passed on", failure, "start without them");
    if let Some(taken) = taken {
        let pair = taken.sockets.try_clone().map_err(passed)?;
        warn_if_other("listen", config.listen, &pair.main);
        warn_if_other("ops_listen", config.ops_listen, &pair.ops);
        return nonblocking(pair).map_err(passed);
    }
    let (main, ops) = of_systemd()?;
    let pair = Pair {
        main: main.map_or_else(|| bind("listen", config.listen), Ok)?,
        ops: ops.map_or_else(|| bind("ops_listen", config.ops_listen), Ok)?,
    };
    nonblocking(pair).map_err(passed)
}

fn nonblocking(pair: Pair) -> io::Result<Pair> {
    pair.main.set_nonblocking(true)?;
    pair.ops.set_nonblocking(true)?;
    Ok(pair)
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Fatal> {
    let listener = TcpListener::bind(address);
    listener.map_err(|source| Fatal::failure(&format!("cannot listen on {address}"), source, &format!("choose another address with {key}")))
}

fn warn_if_other(key: &str, wanted: SocketAddr, socket: &TcpListener) {
    if let Ok(found) = socket.local_addr()
        && found != wanted
        && wanted.port() != 0
    {
        tracing::warn!(key, %wanted, %found, "the socket of the process before is kept; a new address needs a stop and a start");
    }
}

/// The sockets of systemd's `LISTEN_FDS`, if it passed any to this very process.
fn of_systemd() -> Result<(Option<TcpListener>, Option<TcpListener>), Fatal> {
    let mut passed = ListenFd::from_env();
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let (mut main, mut ops) = (None, None);
    for index in 0..passed.len() {
        let wrong = |what: String| Fatal::Usage(format!("LISTEN_FDS: socket {index}: {what}"));
        let socket = passed.take_tcp_listener(index).map_err(|failure| wrong(format!("{failure}, expected a listening TCP socket")))?;
        let place = if names.get(index) == Some(&OPS_NAME) { &mut ops } else { &mut main };
        if place.is_some() {
            return Err(wrong(format!("found a second one of its kind, expected one for clients and one named {OPS_NAME}")));
        }
        *place = socket;
    }
    Ok((main, ops))
}
