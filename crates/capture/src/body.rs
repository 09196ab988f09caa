//! Reading a request's body: whole, under a cap, from a client that keeps sending.
//!
//! # Invariants
//! - Memory for a body never exceeds its cap, is not taken ahead of what arrives, and is counted against the budget of all requests.
//! - A client that sends too much still gets its answer: the rest is read and thrown away (bounded), since a client that is cut off while
//!   it writes does not see the 413 by which SDKs learn to split their batch.

use crate::error::{CaptureError, DecodeError};
use crate::gate::{Busy, Held};
use crate::peek::PACKED_MAX;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::time::Duration;

/// What is thrown away of a body that is too large, in multiples of its cap.
const DISCARD_TIMES_MAX: usize = 4;
/// Memory reserved on the word of `Content-Length`.
const RESERVE_BYTES_MAX: usize = 1024 * 1024;
/// A refused body up to this size is read and thrown away, so that its connection stays in use. A larger one is not worth that.
const DRAIN_BYTES_MAX: u64 = 1024 * 1024;

/// A body that could not be read, and how it begins.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) error: CaptureError,
    pub(crate) begin: Bytes,
}

impl From<CaptureError> for Unread {
    fn from(error: CaptureError) -> Self {
        Self { error, begin: Bytes::new() }
    }
}

/// Reads `body` to its end; `held` grows with it.
///
/// # Errors
/// [`CaptureError::BodyTooLarge`] over `bytes_max`, [`CaptureError::BodyStalled`] after a pause of `gap`, a decode error when the connection breaks,
/// [`CaptureError::Overloaded`] when memory is short.
pub(crate) async fn read(mut body: Body, bytes_max: usize, gap: Duration, held: &mut Held) -> Result<Bytes, Unread> {
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        let begin = discard(body, bytes_max, gap).await;
        return Err(Unread { error: CaptureError::BodyTooLarge { limit: bytes_max }, begin });
    }
    let Some(first) = next(&mut body, gap).await? else { return Ok(Bytes::new()) };
    if !held.try_grow(first.len()) {
        return Err(no_memory(body, gap).await);
    }
    // Most bodies arrive in one piece and are taken as they are.
    if body.is_end_stream() && first.len() <= bytes_max {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity((announced as usize).clamp(first.len().min(bytes_max), RESERVE_BYTES_MAX.max(first.len())));
    let mut part = Some(first);
    while let Some(bytes) = part {
        if whole.len() + bytes.len() > bytes_max {
            whole.extend_from_slice(&bytes[..bytes.len().min(PACKED_MAX)]);
            let begin = Bytes::copy_from_slice(&whole[..whole.len().min(PACKED_MAX)]);
            drop(whole);
            discard(body, bytes_max, gap).await;
            return Err(Unread { error: CaptureError::BodyTooLarge { limit: bytes_max }, begin });
        }
        whole.extend_from_slice(&bytes);
        part = match next(&mut body, gap).await {
            Ok(part) => part,
            Err(error) => {
                whole.truncate(PACKED_MAX);
                return Err(Unread { error, begin: whole.freeze() });
            }
        };
        if !held.try_grow(part.as_ref().map_or(0, Bytes::len)) {
            drop(whole);
            return Err(no_memory(body, gap).await);
        }
    }
    Ok(whole.freeze())
}

/// The next part with bytes in it; `None` at the end.
async fn next(body: &mut Body, gap: Duration) -> Result<Option<Bytes>, CaptureError> {
    loop {
        let frame = tokio::time::timeout(gap, body.frame()).await.map_err(|_| CaptureError::BodyStalled)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(DecodeError::BrokenBody.into()),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Memory is soon given back, so the client may come again soon.
async fn no_memory(body: Body, gap: Duration) -> Unread {
    let close = !drain(body, gap).await;
    CaptureError::Overloaded(Busy { retry_after: 1, memory: true, close }).into()
}

/// Reads the rest of a refused request if it is small; whether the connection can be used again.
pub(crate) async fn drain(mut body: Body, gap: Duration) -> bool {
    let mut left = DRAIN_BYTES_MAX;
    if body.size_hint().lower() > left {
        return false;
    }
    loop {
        match next(&mut body, gap).await {
            Ok(None) => return true,
            Ok(Some(bytes)) if (bytes.len() as u64) < left => left -= bytes.len() as u64,
            Ok(Some(_)) | Err(_) => return false,
        }
    }
}

/// Throws the rest of a body away, but for its begin.
async fn discard(mut body: Body, bytes_max: usize, gap: Duration) -> Bytes {
    let mut left = bytes_max.saturating_mul(DISCARD_TIMES_MAX);
    let mut begin = BytesMut::new();
    while left > 0
        && let Ok(Some(bytes)) = next(&mut body, gap).await
    {
        left = left.saturating_sub(bytes.len());
        begin.extend_from_slice(&bytes[..bytes.len().min(PACKED_MAX - begin.len())]);
    }
    begin.freeze()
}
