//! LZ-String in base64, as very old browsers' bundles sent it: LZW over UTF-16 code units, six bits to a character.
//!
//! # Invariants
//! - Every phrase of the dictionary is a range of what was already put out, so the dictionary costs two numbers a phrase whatever is sent.
//! - The cap counts code units while decoding; UTF-8 is never shorter.

use crate::error::{CaptureError, DecodeError};

const NEW_8_BITS: usize = 0;
const NEW_16_BITS: usize = 1;
const END: usize = 2;
/// The first code that names a phrase.
const FIRST_PHRASE: usize = 3;

/// Decodes `packed` into `out` as UTF-8.
///
/// # Errors
/// [`DecodeError::Lz64`] when it is not LZ-String, [`CaptureError::DecodedTooLarge`] over `bytes_max`.
pub(super) fn decode(packed: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CaptureError> {
    let units = code_units(packed, bytes_max)?;
    for character in char::decode_utf16(units) {
        let character = character.map_err(|_| DecodeError::Lz64)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        if out.len() > bytes_max {
            return Err(CaptureError::DecodedTooLarge { limit: bytes_max });
        }
    }
    Ok(())
}

/// A phrase: where it was put out, and how long it is.
#[derive(Clone, Copy)]
struct Phrase {
    start: usize,
    len: usize,
}

fn code_units(packed: &[u8], units_max: usize) -> Result<Vec<u16>, CaptureError> {
    let mut bits = Bits { packed, at: 0, left: 0, value: 0 };
    let mut out: Vec<u16> = Vec::new();
    let mut phrases: Vec<Phrase> = Vec::new();
    let (mut code_bits, mut until_wider) = (2, 1_usize);
    let mut last: Option<Phrase> = None;
    loop {
        let code = bits.take(code_bits)?;
        let phrase = match code {
            END => return Ok(out),
            NEW_8_BITS | NEW_16_BITS => {
                let unit = bits.take(if code == NEW_8_BITS { 8 } else { 16 })?;
                let phrase = Phrase { start: out.len(), len: 1 };
                // INVARIANT: at most 16 bits were taken.
                out.push(u16::try_from(unit).unwrap_or(u16::MAX));
                phrases.push(phrase);
                if last.is_some() {
                    widen(&mut code_bits, &mut until_wider);
                }
                phrase
            }
            code => repeat(&mut out, &phrases, last, code - FIRST_PHRASE, units_max)?,
        };
        if out.len() > units_max {
            return Err(CaptureError::DecodedTooLarge { limit: units_max });
        }
        match last {
            // The last phrase and the first unit of this one lie side by side in what was put out.
            Some(last) => phrases.push(Phrase { start: last.start, len: last.len + 1 }),
            // The first code has two bits, the next ones three; three more phrases and they have four.
            None => (code_bits, until_wider) = (3, 5),
        }
        widen(&mut code_bits, &mut until_wider);
        last = Some(phrase);
    }
}

/// Puts a known phrase out again; the one code that is not known yet means the last phrase and its own first unit.
fn repeat(out: &mut Vec<u16>, phrases: &[Phrase], last: Option<Phrase>, index: usize, units_max: usize) -> Result<Phrase, CaptureError> {
    let source = match (phrases.get(index), last) {
        (Some(phrase), _) => *phrase,
        (None, Some(last)) if index == phrases.len() => Phrase { start: last.start, len: last.len + 1 },
        _ => return Err(DecodeError::Lz64.into()),
    };
    if out.len() + source.len > units_max {
        return Err(CaptureError::DecodedTooLarge { limit: units_max });
    }
    let phrase = Phrase { start: out.len(), len: source.len };
    for at in source.start..source.start + source.len {
        let unit = out[at];
        out.push(unit);
    }
    Ok(phrase)
}

fn widen(code_bits: &mut u32, until_wider: &mut usize) {
    *until_wider -= 1;
    if *until_wider == 0 {
        *until_wider = 1 << *code_bits;
        *code_bits += 1;
    }
}

/// The packed bits, lowest bit of a number first, highest bit of a character first.
struct Bits<'a> {
    packed: &'a [u8],
    at: usize,
    left: u32,
    value: u8,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<usize, DecodeError> {
        let mut number = 0;
        for place in 0..count.min(usize::BITS - 1) {
            if self.left == 0 {
                self.value = sextet(*self.packed.get(self.at).ok_or(DecodeError::Lz64)?).ok_or(DecodeError::Lz64)?;
                self.at += 1;
                self.left = 6;
            }
            self.left -= 1;
            number |= usize::from(self.value >> self.left & 1) << place;
        }
        Ok(number)
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        b'=' => Some(0),
        _ => None,
    }
}
