//! Settings of what is kept for traces.

use aqueduct_event::limits::MIB;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// What is kept so that an event can be traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecorderConfig {
    /// Directory of the files; made when absent. Default: `trace`.
    pub dir: PathBuf,
    /// Bytes of receipts on the disk: one small record for each accepted request, the oldest are removed. About 40 bytes each. Default: 256 MiB.
    pub receipts_bytes_max: u64,
    /// Bytes of remarks in memory, and about twice as many on the disk: a sample of what was refused, for each project. Default: 16 MiB.
    pub remarks_bytes_max: usize,
    /// How much of a client's address is kept in receipts and remarks: `full`, `cut` (the first 24 bits of IPv4, 48 of IPv6) or `none`. Default: `cut`.
    pub client_address: ClientAddress,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("trace"),
            receipts_bytes_max: 256 * MIB as u64,
            remarks_bytes_max: 16 * MIB,
            client_address: ClientAddress::Cut,
        }
    }
}

/// How much of a client's address is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAddress {
    /// All of it.
    Full,
    /// The network: `203.0.113.0/24`, `2001:db8:1::/48`.
    #[default]
    Cut,
    /// Nothing.
    None,
}

impl ClientAddress {
    /// What is kept of an address; empty for nothing, and for what is no address.
    pub(crate) fn kept(self, address: &str) -> String {
        match (self, address.parse()) {
            (Self::None, _) | (_, Err(_)) => String::new(),
            (Self::Full, Ok(_)) => address.to_owned(),
            (Self::Cut, Ok(IpAddr::V4(ip))) => {
                let [a, b, c, _] = ip.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            (Self::Cut, Ok(IpAddr::V6(ip))) => {
                let [a, b, c, ..] = ip.segments();
                format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut() {
        let all = ["203.0.113.77", "2001:db8:1:2:3::4", "", "somewhere"];
        let kept = |how: ClientAddress| all.map(|address| how.kept(address));
        assert_eq!(kept(ClientAddress::Cut), ["203.0.113.0/24", "2001:db8:1::/48", "", ""]);
        assert_eq!(kept(ClientAddress::Full), ["203.0.113.77", "2001:db8:1:2:3::4", "", ""]);
        assert_eq!(kept(ClientAddress::None), ["", "", "", ""]);
    }
}
