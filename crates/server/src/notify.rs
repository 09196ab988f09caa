//! What systemd wants to hear (`sd_notify`): ready, reloading, stopping. Without `NOTIFY_SOCKET` nothing is said.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// This process answers requests. After a change of binary it is a new process, so it says which.
pub(crate) fn ready() {
    say(&format!("MAINPID={}\nREADY=1\nSTATUS=answering requests\n", std::process::id()));
}

/// A successor was started.
pub(crate) fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=handing over to a new process\n"));
}

/// The successor did not come, so nothing changed.
pub(crate) fn still_here() {
    say("READY=1\nSTATUS=answering requests; the new process did not start\n");
}

/// This process ends, and no other takes its place.
pub(crate) fn stopping() {
    say("STOPPING=1\nSTATUS=stopping\n");
}

fn say(text: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    // Nobody may be listening any more; that is no reason to fail.
    let sent = UnixDatagram::unbound().and_then(|socket| match name.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => socket.send_to_addr(text.as_bytes(), &SocketAddr::from_abstract_name(name)?),
        None => socket.send_to(text.as_bytes(), &name),
    });
    if let Err(failure) = sent {
        tracing::debug!(%failure, "systemd could not be told");
    }
}
