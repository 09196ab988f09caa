//! Decompression under a cap, into a buffer that the thread keeps.

use crate::error::{CaptureError, DecodeError};
use flate2::{Decompress, FlushDecompress, Status};
use std::cell::RefCell;
use std::io::Read;

/// A buffer that grew beyond this is given back after the request that needed it.
const KEEP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a fresh buffer reserves.
const FIRST_BYTES: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// `Content-Encoding: deflate`: zlib by RFC 1950; bare RFC 1951 is taken too.
    Deflate,
    Brotli,
    Zstd,
}

impl Encoding {
    /// The names that [`Self::named`] knows, as a header lists them.
    pub(crate) const LISTED: &str = "gzip, deflate, br, zstd";

    /// Whether the bytes begin as gzip does.
    pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
        bytes.starts_with(&[0x1f, 0x8b, 8])
    }

    /// The encoding of this `Content-Encoding` (protocol v1), in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Runs `work` with the thread's buffer, empty. Nested calls get a buffer of their own.
pub(crate) fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let mut buffer = BUFFER.with(RefCell::take);
    buffer.clear();
    let done = work(&mut buffer);
    if buffer.capacity() <= KEEP_BYTES_MAX {
        BUFFER.with(|kept| kept.replace(buffer));
    }
    done
}

/// Decompresses `packed` onto the end of `out`, which may then have `bytes_max` bytes at most.
///
/// # Errors
/// [`CaptureError::DecodedTooLarge`] as soon as the cap is reached, a [`DecodeError`] when the bytes are not of that encoding.
pub(crate) fn inflate(encoding: Encoding, packed: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CaptureError> {
    match encoding {
        Encoding::Gzip => deflated(Decompress::new_gzip(15), packed, bytes_max, out, DecodeError::Gzip),
        Encoding::Deflate => {
            // The zlib header: method 8 in the low half of the first byte, and both bytes together a multiple of 31.
            let zlib = packed.len() >= 2 && packed[0] & 0x0f == 8 && u16::from_be_bytes([packed[0], packed[1]]).is_multiple_of(31);
            deflated(Decompress::new(zlib), packed, bytes_max, out, DecodeError::Encoding("deflate"))
        }
        Encoding::Brotli => streamed(brotli::Decompressor::new(packed, 4_096), bytes_max, out, "br"),
        Encoding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| DecodeError::Encoding("zstd"))?;
            streamed(decoder, bytes_max, out, "zstd")
        }
    }
}

/// The first stream in `packed`; what follows it is ignored, as PostHog does.
fn deflated(mut stream: Decompress, packed: &[u8], bytes_max: usize, out: &mut Vec<u8>, error: DecodeError) -> Result<(), CaptureError> {
    loop {
        if out.len() > bytes_max {
            return Err(CaptureError::DecodedTooLarge { limit: bytes_max });
        }
        if out.len() == out.capacity() {
            // Twice as much each time, but one byte over the cap at most: it is what tells that the cap was passed.
            let room = out.len().max(packed.len() * 4).max(FIRST_BYTES).min(bytes_max + 1 - out.len());
            out.reserve_exact(room);
        }
        let (read, written) = (stream.total_in(), out.len());
        let rest = &packed[usize::try_from(read).unwrap_or(packed.len()).min(packed.len())..];
        match stream.decompress_vec(rest, out, FlushDecompress::None) {
            Ok(Status::StreamEnd) if out.len() > bytes_max => return Err(CaptureError::DecodedTooLarge { limit: bytes_max }),
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(_) if out.len() == out.capacity() => {}
            // No progress with room to write in: the input ended before the stream did.
            Ok(_) if stream.total_in() == read && out.len() == written => return Err(error.into()),
            Ok(_) => {}
            Err(_) => return Err(error.into()),
        }
    }
}

fn streamed(reader: impl Read, bytes_max: usize, out: &mut Vec<u8>, name: &'static str) -> Result<(), CaptureError> {
    // INVARIANT: caps are configured sizes far below 2^63.
    reader.take(bytes_max as u64 + 1).read_to_end(out).map_err(|_| DecodeError::Encoding(name))?;
    if out.len() > bytes_max { Err(CaptureError::DecodedTooLarge { limit: bytes_max }) } else { Ok(()) }
}
