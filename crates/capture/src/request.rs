//! A request that has arrived: its head, its body, when and from where.

use crate::gate::Held;
use aqueduct_event::UnixMicros;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::request::Parts;
use std::net::{IpAddr, SocketAddr};

/// Bytes of a user agent that are kept.
const USER_AGENT_BYTES_MAX: usize = 512;

/// A request whose body was read.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    /// When the last byte had arrived.
    pub(crate) received_at: UnixMicros,
    /// Empty when unknown.
    pub(crate) client_ip: String,
    /// The route, without a trailing slash.
    pub(crate) path: &'static str,
    /// Its part of the memory for requests under way; none outside of a server.
    pub(crate) _held: Option<Held>,
}

impl Arrival {
    /// A header's text; `None` when absent or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.parts, name)
    }

    pub(crate) fn user_agent(&self) -> &str {
        user_agent(&self.parts)
    }
}

fn user_agent(parts: &Parts) -> &str {
    // A header that reads as text is ASCII, so every cut is between characters.
    header(parts, "user-agent").map_or("", |agent| &agent[..agent.len().min(USER_AGENT_BYTES_MAX)])
}

/// Who sends: the name that an SDK gave itself where the protocol has one, then the user agent.
pub(crate) fn agent_of(parts: &Parts) -> String {
    let agent = user_agent(parts);
    match header(parts, "posthog-sdk-info").filter(|sdk| sdk.len() <= USER_AGENT_BYTES_MAX && !agent.contains(sdk)) {
        Some(sdk) => format!("{sdk} {agent}").trim_end().to_owned(),
        None => agent.to_owned(),
    }
}

/// A header's text; `None` when absent or not text.
pub(crate) fn header<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Sent by `aqueduct import`: the events are others', so the sender's address is nobody's.
const IMPORT_HEADER: &str = "aqueduct-import";

/// The client's address: the first entry of `X-Forwarded-For` when it is one, else the peer's; empty when neither is known or it says nothing of the events.
pub(crate) fn client_ip(parts: &Parts) -> String {
    if parts.headers.contains_key(IMPORT_HEADER) {
        return String::new();
    }
    let forwarded = header(parts, "x-forwarded-for").and_then(|list| address(list.split(',').next()?.trim()));
    forwarded.or_else(|| peer(parts).map(|peer| peer.ip())).map(|ip| ip.to_canonical().to_string()).unwrap_or_default()
}

/// The other end of the connection.
pub(crate) fn peer(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
}

/// Proxies write addresses bare, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(forwarded: Option<&str>, peer: Option<&str>) -> String {
        let mut request = http::Request::builder();
        if let Some(forwarded) = forwarded {
            request = request.header("X-Forwarded-For", forwarded);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        if let Some(peer) = peer {
            parts.extensions.insert(ConnectInfo::<SocketAddr>(peer.parse().expect("an address")));
        }
        client_ip(&parts)
    }

    #[test]
    fn who_imports_is_not_who_was_there() {
        let request = http::Request::builder().header("X-Forwarded-For", "203.0.113.7").header(IMPORT_HEADER, "1");
        assert_eq!(client_ip(&request.body(()).expect("a request").into_parts().0), "");
    }

    #[test]
    fn client_addresses() {
        let peer = Some("10.0.0.9:4711");
        let table = [
            (None, None, ""),
            (None, peer, "10.0.0.9"),
            (None, Some("[::ffff:10.0.0.9]:4711"), "10.0.0.9"),
            (Some("203.0.113.7"), peer, "203.0.113.7"),
            (Some("203.0.113.7"), None, "203.0.113.7"),
            (Some(" 203.0.113.7 , 10.1.1.1"), peer, "203.0.113.7"),
            (Some("203.0.113.7:8080"), peer, "203.0.113.7"),
            (Some("2001:db8::1"), peer, "2001:db8::1"),
            (Some("[2001:db8::1]:80"), peer, "2001:db8::1"),
            (Some("[2001:db8::1]"), peer, "2001:db8::1"),
            (Some("unknown, 203.0.113.7"), peer, "10.0.0.9"),
            (Some(""), peer, "10.0.0.9"),
        ];
        for (forwarded, peer, expected) in table {
            assert_eq!(ip(forwarded, peer), expected, "{forwarded:?} {peer:?}");
        }
    }
}
