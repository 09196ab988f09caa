//! Hashes and encodings of bytes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sha2::{Digest, Sha224, Sha256, Sha512};

use super::datum::Datum;
use super::registry::{ANY, RowDef, row};
use super::text::t;
use super::types::Returns::{Text, UInt};

pub(super) const ROWS: &[RowDef] = &[
    row("hex", 1, 1, Text, |args, _| match &args[0] {
        Datum::Int(value) => hex_number(value.cast_unsigned()).into(),
        Datum::UInt(value) => hex_number(*value).into(),
        Datum::Float(value) => hex_upper(&value.to_le_bytes()).into(),
        Datum::Uuid(value) => format!("{value:032X}").into(),
        _ => hex_upper(t(args, 0).as_bytes()).into(),
    }),
    row("unhex", 1, 1, Text, |args, _| unhex(&t(args, 0)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).into()),
    row("bin", 1, 1, Text, |args, _| match &args[0] {
        Datum::Int(value) => format!("{value:08b}").into(),
        _ => t(args, 0).bytes().map(|byte| format!("{byte:08b}")).collect::<String>().into(),
    }),
    row("base64Encode", 1, 1, Text, |args, _| STANDARD.encode(t(args, 0).as_bytes()).into()),
    row("base64URLEncode", 1, 1, Text, |args, _| URL_SAFE.encode(t(args, 0).as_bytes()).trim_end_matches('=').to_owned().into()),
    row("base64Decode", 1, 1, Text, |args, _| decoded(STANDARD.decode(t(args, 0).as_bytes()).ok())),
    row("tryBase64Decode", 1, 1, Text, |args, _| decoded(Some(STANDARD.decode(t(args, 0).as_bytes()).unwrap_or_default()))),
    row("base58Encode", 1, 1, Text, |args, _| base58_encode(t(args, 0).as_bytes()).into()),
    row("base58Decode", 1, 1, Text, |args, _| decoded(base58_decode(&t(args, 0)))),
    row("tryBase58Decode", 1, 1, Text, |args, _| decoded(Some(base58_decode(&t(args, 0)).unwrap_or_default()))),
    row("md5", 1, 1, Text, |args, _| hex_upper(&<md5::Md5 as md5::Digest>::digest(t(args, 0).as_bytes())).into()),
    row("SHA224", 1, 1, Text, |args, _| hex_upper(&Sha224::digest(t(args, 0).as_bytes())).into()),
    row("SHA256", 1, 1, Text, |args, _| hex_upper(&Sha256::digest(t(args, 0).as_bytes())).into()),
    row("SHA512", 1, 1, Text, |args, _| hex_upper(&Sha512::digest(t(args, 0).as_bytes())).into()),
    row("cityHash64", 1, ANY, UInt, |args, _| {
        let mut hashes = args.iter().map(city_of);
        let first = hashes.next().unwrap_or(0);
        hashes.fold(first, city128_to_64).into()
    }),
];

/// Whole bytes, the leading ones that are 0 left out.
fn hex_number(value: u64) -> String {
    let digits = format!("{value:X}");
    if digits.len() % 2 == 0 { digits } else { format!("0{digits}") }
}

fn hex_upper(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    let pairs = (0..padded.len()).step_by(2);
    pairs.map(|at| padded.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

fn decoded(bytes: Option<Vec<u8>>) -> Datum<'static> {
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).into()
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn base58_encode(bytes: &[u8]) -> String {
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| '1');
    let letter = |digit: &u32| usize::try_from(*digit).ok().and_then(|digit| BASE58.get(digit)).map_or('1', |letter| char::from(*letter));
    zeros.chain(digits.iter().rev().map(letter)).collect()
}

fn base58_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    for letter in text.bytes() {
        let mut carry = u32::try_from(BASE58.iter().position(|known| *known == letter)?).ok()?;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
    }
    bytes.extend(text.bytes().take_while(|letter| *letter == b'1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

/// The hash of one value: texts by `CityHash` 1.0.2 of their bytes, numbers by ClickHouse's integer mix.
fn city_of(value: &Datum<'_>) -> u64 {
    match value {
        Datum::Int(value) => int_mix(value.cast_unsigned()),
        Datum::UInt(value) => int_mix(*value),
        Datum::Bool(value) => int_mix(u64::from(*value)),
        Datum::Float(value) => int_mix(value.to_bits()),
        Datum::Time(micros) => int_mix(micros.cast_unsigned()),
        Datum::Date(days) => int_mix(u64::from(days.cast_unsigned())),
        Datum::Text(text) => city_hash(text.as_bytes()),
        other => city_hash(super::format::show(other).as_bytes()),
    }
}

/// `MurmurHash`'s finalizer.
fn int_mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const K3: u64 = 0xc949_d7c7_509e_6557;
const MUL: u64 = 0x9ddf_ea08_eb38_2d69;

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, |four| u64::from(u32::from_le_bytes(four)))
}

fn rotate(value: u64, by: u32) -> u64 {
    value.rotate_right(by)
}

fn shift_mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn city128_to_64(low: u64, high: u64) -> u64 {
    let a = shift_mix((low ^ high).wrapping_mul(MUL));
    let b = shift_mix((high ^ a).wrapping_mul(MUL));
    b.wrapping_mul(MUL)
}

fn short_hash(s: &[u8]) -> u64 {
    let len = s.len();
    let length = len as u64;
    if len > 8 {
        let (a, b) = (word(s, 0), word(s, len - 8));
        return city128_to_64(a, rotate(b.wrapping_add(length), len as u32)) ^ b;
    }
    if len >= 4 {
        return city128_to_64(length.wrapping_add(half(s, 0) << 3), half(s, len - 4));
    }
    if len > 0 {
        let (a, b, c) = (u64::from(s[0]), u64::from(s[len >> 1]), u64::from(s[len - 1]));
        let (y, z) = (a + (b << 8), length + (c << 2));
        return shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K3)).wrapping_mul(K2);
    }
    K2
}

fn middle_hash(s: &[u8]) -> u64 {
    let len = s.len();
    let length = len as u64;
    if len <= 32 {
        let (a, b) = (word(s, 0).wrapping_mul(K1), word(s, 8));
        let (c, d) = (word(s, len - 8).wrapping_mul(K2), word(s, len - 16).wrapping_mul(K0));
        let low = rotate(a.wrapping_sub(b), 43).wrapping_add(rotate(c, 30)).wrapping_add(d);
        let high = a.wrapping_add(rotate(b ^ K3, 20)).wrapping_sub(c).wrapping_add(length);
        return city128_to_64(low, high);
    }
    let mut z = word(s, 24);
    let mut a = word(s, 0).wrapping_add(length.wrapping_add(word(s, len - 16)).wrapping_mul(K0));
    let mut b = rotate(a.wrapping_add(z), 52);
    let mut c = rotate(a, 37);
    a = a.wrapping_add(word(s, 8));
    c = c.wrapping_add(rotate(a, 7));
    a = a.wrapping_add(word(s, 16));
    let (vf, vs) = (a.wrapping_add(z), b.wrapping_add(rotate(a, 31)).wrapping_add(c));
    a = word(s, 16).wrapping_add(word(s, len - 32));
    z = word(s, len - 8);
    b = rotate(a.wrapping_add(z), 52);
    c = rotate(a, 37);
    a = a.wrapping_add(word(s, len - 24));
    c = c.wrapping_add(rotate(a, 7));
    a = a.wrapping_add(word(s, len - 16));
    let (wf, ws) = (a.wrapping_add(z), b.wrapping_add(rotate(a, 31)).wrapping_add(c));
    let r = shift_mix(vf.wrapping_add(ws).wrapping_mul(K2).wrapping_add(wf.wrapping_add(vs).wrapping_mul(K0)));
    shift_mix(r.wrapping_mul(K0).wrapping_add(vs)).wrapping_mul(K2)
}

fn weak_32(s: &[u8], at: usize, a: u64, b: u64) -> (u64, u64) {
    let (w, x, y, z) = (word(s, at), word(s, at + 8), word(s, at + 16), word(s, at + 24));
    let mut a = a.wrapping_add(w);
    let mut b = rotate(b.wrapping_add(a).wrapping_add(z), 21);
    let c = a;
    a = a.wrapping_add(x).wrapping_add(y);
    b = b.wrapping_add(rotate(a, 44));
    (a.wrapping_add(z), b.wrapping_add(c))
}

/// `CityHash64` of version 1.0.2, the one that ClickHouse uses.
fn city_hash(s: &[u8]) -> u64 {
    let len = s.len();
    if len <= 16 {
        return short_hash(s);
    }
    if len <= 64 {
        return middle_hash(s);
    }
    let length = len as u64;
    let mut x = word(s, 0);
    let mut y = word(s, len - 16) ^ K1;
    let mut z = word(s, len - 56) ^ K0;
    let mut v = weak_32(s, len - 64, length, y);
    let mut w = weak_32(s, len - 32, length.wrapping_mul(K1), K0);
    z = z.wrapping_add(shift_mix(v.1).wrapping_mul(K1));
    x = rotate(z.wrapping_add(x), 39).wrapping_mul(K1);
    y = rotate(y, 33).wrapping_mul(K1);
    for at in (0..(len - 1) & !63).step_by(64) {
        x = rotate(x.wrapping_add(y).wrapping_add(v.0).wrapping_add(word(s, at + 16)), 37).wrapping_mul(K1);
        y = rotate(y.wrapping_add(v.1).wrapping_add(word(s, at + 48)), 42).wrapping_mul(K1);
        x ^= w.1;
        y ^= v.0;
        z = rotate(z ^ w.0, 33);
        v = weak_32(s, at, v.1.wrapping_mul(K1), x.wrapping_add(w.0));
        w = weak_32(s, at + 32, z.wrapping_add(w.1), y);
        std::mem::swap(&mut z, &mut x);
    }
    let low = city128_to_64(v.0, w.0).wrapping_add(shift_mix(y).wrapping_mul(K1)).wrapping_add(z);
    city128_to_64(low, city128_to_64(v.1, w.1).wrapping_add(x))
}
