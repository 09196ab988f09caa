//! Parts of URLs. A text that is no URL has empty parts.

use std::fmt::Write;

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::text::{list, t};
use super::types::Returns::{Int, Text, Texts};
use super::udf::Env;

/// Where the parts of a URL are.
struct Parts<'a> {
    protocol: &'a str,
    /// Behind the protocol and `//`.
    rest: &'a str,
    /// With user and port.
    authority: &'a str,
    /// From the first slash to `?` or `#`.
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Parts<'a> {
        let (protocol, rest) = match url.split_once(':') {
            Some((protocol, rest)) if is_scheme(protocol) => match rest.strip_prefix("//") {
                Some(rest) => (protocol, rest),
                None => (protocol, url),
            },
            _ => ("", url.strip_prefix("//").unwrap_or(url)),
        };
        let (before_fragment, fragment) = split(rest, '#');
        let (before_query, query) = split(before_fragment, '?');
        let slash = before_query.find('/').unwrap_or(before_query.len());
        Parts { protocol, rest, authority: &before_query[..slash], path: &before_query[slash..], query, fragment }
    }

    /// A host has a dot, and ends at the first `:`, even if that belongs to a user's password.
    fn host(&self) -> &'a str {
        let mut start = 0;
        let mut end = self.rest.len();
        for (at, byte) in self.rest.bytes().enumerate() {
            match byte {
                b'@' => start = at + 1,
                b':' | b'/' | b'?' | b'#' => {
                    end = at;
                    break;
                }
                b' ' | b'\t' | b'<' | b'>' | b'%' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'~' | b'[' | b']' | b';' | b'=' | b'&' => {
                    return "";
                }
                _ => {}
            }
        }
        let host = self.rest.get(start..end).unwrap_or_default();
        if host.contains('.') && !host.ends_with('.') { host } else { "" }
    }

    /// Behind the host.
    fn port(&self) -> Option<i64> {
        let host = self.host();
        let behind = self.authority.rsplit_once('@').map_or(self.authority, |(_, host)| host);
        let port = behind.strip_prefix(host).filter(|_| !host.is_empty())?.strip_prefix(':')?;
        port.parse().ok().filter(|port| (1..=65_535).contains(port))
    }
}

fn is_scheme(text: &str) -> bool {
    text.len() < 16
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// Second-level names under which registrations are made.
const SHARED: [&str; 9] = ["co", "com", "net", "org", "gov", "edu", "ac", "mil", "or"];

/// `example.co.uk` of `www.shop.example.co.uk`.
pub(crate) fn significant(host: &str) -> &str {
    let dots: Vec<usize> = host.rmatch_indices('.').map(|(at, _)| at).collect();
    let labels: Vec<&str> = host.split('.').collect();
    let shared = labels.len() > 2 && SHARED.contains(&labels[labels.len() - 2]) && labels[labels.len() - 1].len() == 2;
    let keep = if shared { 2 } else { 1 };
    dots.get(keep).map_or(host, |at| &host[at + 1..])
}

pub(super) const ROWS: &[RowDef] = &[
    row("protocol", 1, 1, Text, |args, _| Parts::of(&t(args, 0)).protocol.to_owned().into()),
    row("domain", 1, 1, Text, |args, _| Parts::of(&t(args, 0)).host().to_owned().into()).also(&["domainRFC"]),
    row("domainWithoutWWW", 1, 1, Text, |args, _| without_www(Parts::of(&t(args, 0)).host()).to_owned().into())
        .also(&["domainWithoutWWWRFC"]),
    row("topLevelDomain", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        let host = Parts::of(&text).host();
        let last = host.rsplit('.').next().unwrap_or_default();
        (if last.parse::<u8>().is_ok() { String::new() } else { last.to_owned() }).into()
    })
    .also(&["topLevelDomainRFC"]),
    row("firstSignificantSubdomain", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        significant(without_www(Parts::of(&text).host())).split('.').next().unwrap_or_default().to_owned().into()
    })
    .also(&["firstSignificantSubdomainRFC"]),
    row("cutToFirstSignificantSubdomain", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        significant(without_www(Parts::of(&text).host())).to_owned().into()
    })
    .also(&["cutToFirstSignificantSubdomainRFC"]),
    row("cutToFirstSignificantSubdomainWithWWW", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        significant(Parts::of(&text).host()).to_owned().into()
    })
    .also(&["cutToFirstSignificantSubdomainWithWWWRFC"]),
    row("port", 1, 2, Int, |args, _| {
        let default = super::text::n(args, 1).unwrap_or(0);
        Parts::of(&t(args, 0)).port().unwrap_or(default).into()
    })
    .also(&["portRFC"]),
    row("path", 1, 1, Text, |args, _| Parts::of(&t(args, 0)).path.to_owned().into()),
    row("pathFull", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        let parts = Parts::of(&text);
        if parts.path.is_empty() {
            return "".into();
        }
        let mut full = parts.path.to_owned();
        full.extend(parts.query.iter().flat_map(|query| ["?", query]));
        full.extend(parts.fragment.iter().flat_map(|fragment| ["#", fragment]));
        full.into()
    }),
    row("queryString", 1, 1, Text, |args, _| Parts::of(&t(args, 0)).query.unwrap_or_default().to_owned().into()),
    row("fragment", 1, 1, Text, |args, _| Parts::of(&t(args, 0)).fragment.unwrap_or_default().to_owned().into()),
    row("queryStringAndFragment", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        let parts = Parts::of(&text);
        let fragment = parts.fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        format!("{}{fragment}", parts.query.unwrap_or_default()).into()
    }),
    row("netloc", 1, 1, Text, |args, _| Parts::of(&t(args, 0)).authority.to_owned().into()),
    row("extractURLParameter", 2, 2, Text, |args, _| {
        let (text, name) = (t(args, 0), t(args, 1));
        parameters(&text).find(|(key, _)| *key == name).map_or(String::new(), |(_, value)| value.to_owned()).into()
    }),
    row("extractURLParameters", 1, 1, Texts, |args, _| list(parameters(&t(args, 0)).map(|(key, value)| format!("{key}={value}")))),
    row("extractURLParameterNames", 1, 1, Texts, |args, _| list(parameters(&t(args, 0)).map(|(key, _)| key.to_owned()))),
    row("URLHierarchy", 1, 1, Texts, |args, _| hierarchy(&t(args, 0), false)),
    row("URLPathHierarchy", 1, 1, Texts, |args, _| hierarchy(&t(args, 0), true)),
    row("cutWWW", 1, 1, Text, |args, _| t(args, 0).replacen("://www.", "://", 1).into()),
    row("cutQueryString", 1, 1, Text, |args, _| {
        let text = t(args, 0);
        let (before, fragment) = split(&text, '#');
        let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        format!("{}{fragment}", split(before, '?').0).into()
    }),
    row("cutFragment", 1, 1, Text, |args, _| split(&t(args, 0), '#').0.to_owned().into()),
    row("cutQueryStringAndFragment", 1, 1, Text, |args, _| t(args, 0).split(['?', '#']).next().unwrap_or_default().to_owned().into()),
    row("cutURLParameter", 2, 2, Text, cut_parameter),
    row("encodeURLComponent", 1, 1, Text, |args, _| encode(&t(args, 0), false).into()),
    row("encodeURLFormComponent", 1, 1, Text, |args, _| encode(&t(args, 0), true).into()),
    row("decodeURLComponent", 1, 1, Text, |args, _| decode(&t(args, 0), false).into()),
    row("decodeURLFormComponent", 1, 1, Text, |args, _| decode(&t(args, 0), true).into()),
];

/// Keys and values behind the first `?`, as written, in the query and in what has the form of one behind `#`.
fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split(['&', ';', '?', '#']).filter_map(|pair| pair.split_once('='))
}

/// The URL cut behind each `/`, `?` and `#` of its path.
fn hierarchy(url: &str, path_only: bool) -> Datum<'static> {
    // a URL without a protocol is a single level, and has no path
    let start = match url.split_once("://") {
        Some((protocol, _)) if is_scheme(protocol) => protocol.len() + 3,
        _ if path_only || url.is_empty() => return list(Vec::<String>::new()),
        _ => return list([url.to_owned()]),
    };
    let is_mark = |c: char| matches!(c, '/' | '?' | '#');
    let Some(path) = url[start..].find(is_mark).map(|at| start + at) else {
        return if path_only { list(Vec::<String>::new()) } else { list([url.to_owned()]) };
    };
    let base = if path_only { path } else { 0 };
    let mut levels = Vec::new();
    // a mark right behind another one belongs to the level after it
    let mut end = path + 1;
    // the path begins with its first slash, which is no level of its own
    if !path_only {
        levels.push(url[..end].to_owned());
    }
    while let Some(first) = url[end..].chars().next() {
        let from = end + first.len_utf8();
        end = url[from..].find(is_mark).map_or(url.len(), |at| from + at + 1);
        levels.push(url[base..end].to_owned());
    }
    list(levels)
}

fn cut_parameter<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let text = t(args, 0);
    let names: Vec<&str> = match &args[1] {
        Datum::List(names) => names.iter().filter_map(Datum::as_text).collect(),
        other => other.as_text().into_iter().collect(),
    };
    let (before, fragment) = split(&text, '#');
    let (path, query) = split(before, '?');
    let kept: Vec<&str> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !names.contains(&pair.split_once('=').map_or(*pair, |(key, _)| key)))
        .collect();
    let query = if query.is_some() { format!("?{}", kept.join("&")) } else { String::new() };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{path}{query}{fragment}").into()
}

fn encode(text: &str, form: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' if form => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte => {
                // INVARIANT: writing to a `String` never fails
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

pub(super) fn decode(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok())).flatten();
        match (bytes[at], code) {
            (_, Some(code)) => {
                out.push(code);
                at += 3;
                continue;
            }
            (b'+', None) if form => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
