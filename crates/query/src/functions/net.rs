//! Addresses of the internet protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::registry::{RowDef, row};
use super::text::{n, t};
use super::types::Returns::{Count, Flag, Text};

pub(super) const ROWS: &[RowDef] = &[
    row("isIPv4String", 1, 1, Flag, |args, _| t(args, 0).parse::<Ipv4Addr>().is_ok().into()),
    row("isIPv6String", 1, 1, Flag, |args, _| t(args, 0).parse::<Ipv6Addr>().is_ok().into()),
    // what is no address lies in no range
    row("isIPAddressInRange", 2, 2, Flag, |args, _| in_range(&t(args, 0), &t(args, 1)).into()),
    row("IPv4NumToString", 1, 1, Text, |args, _| {
        n(args, 0).and_then(|number| u32::try_from(number).ok()).map(|number| Ipv4Addr::from(number).to_string()).into()
    }),
    row("IPv4StringToNum", 1, 1, Count, |args, _| t(args, 0).parse::<Ipv4Addr>().ok().map(|address| i64::from(u32::from(address))).into())
        .also(&["IPv4StringToNumOrNull"]),
];

/// NULL when the range is none.
fn in_range(address: &str, range: &str) -> Option<bool> {
    let (network, bits) = range.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let Ok(address) = address.parse::<IpAddr>() else { return Some(false) };
    Some(match (address, network.parse::<IpAddr>().ok()?) {
        (IpAddr::V4(address), IpAddr::V4(network)) => same_prefix(u32::from(address).into(), u32::from(network).into(), 32, bits)?,
        (IpAddr::V6(address), IpAddr::V6(network)) => same_prefix(address.into(), network.into(), 128, bits)?,
        _ => false,
    })
}

fn same_prefix(a: u128, b: u128, width: u32, bits: u32) -> Option<bool> {
    let rest = width.checked_sub(bits)?;
    Some(rest == 128 || a >> rest == b >> rest)
}
