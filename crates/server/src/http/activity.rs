//! Deadlines of a connection: what it is doing decides which one holds.
//!
//! ```text
//! idle ── first byte ──▶ head ── request read ──▶ busy ── response written ──▶ idle
//!   keep_alive             head_timeout            none (the handlers keep theirs)
//! ```
//! A connection past its deadline reads as if the client had closed it, which hyper ends in order. (On HTTP/2 frames of housekeeping count
//! as a first byte, so that a connection without requests ends sooner; clients open another.)

use super::crowd::Crowd;
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Requests of a connection: how many have begun, and how many are being answered.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicUsize,
    running: AtomicUsize,
}

/// One request being answered; ends when dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::AcqRel);
        self.running.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    fn is_busy(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How often a connection that waits looks how long it may, since that shrinks as others come.
const LOOK_EVERY: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Busy,
}

/// A connection with its deadlines.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    activity: Arc<Activity>,
    phase: Phase,
    /// Requests that had begun when it was looked last.
    begun: usize,
    /// When to look again how long it may go on.
    look: Pin<Box<Sleep>>,
    since: Instant,
    crowd: Arc<Crowd>,
}

impl Timed {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, crowd: Arc<Crowd>) -> Self {
        // A fresh connection owes us a request: a client that only connects is not idle, it is slow.
        let look = Box::pin(tokio::time::sleep(LOOK_EVERY.min(crowd.head_timeout())));
        Self { stream, activity, phase: Phase::Head, begun: 0, look, since: Instant::now(), crowd }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        if phase != Phase::Busy {
            self.since = Instant::now();
            let first = LOOK_EVERY.min(self.allowed());
            self.look.as_mut().reset(self.since + first);
        }
    }

    /// How long it may be as it is, at present.
    fn allowed(&self) -> Duration {
        if self.phase == Phase::Idle { self.crowd.keep_alive() } else { self.crowd.head_timeout() }
    }

    /// Ready when it may not go on.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.look.as_mut().poll(context));
            let end = self.since + self.allowed();
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            let next = end.min(Instant::now() + LOOK_EVERY);
            self.look.as_mut().reset(next);
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.activity.is_busy() {
            self.enter(Phase::Busy);
            return read;
        }
        // A short request begins and ends between two reads.
        let begun = self.activity.begun.load(Ordering::Acquire);
        if self.phase == Phase::Busy || begun != self.begun {
            self.begun = begun;
            self.enter(Phase::Idle);
        }
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before && self.phase == Phase::Idle => {
                self.enter(Phase::Head);
                Poll::Ready(Ok(()))
            }
            // Nothing read and the time is over: the same as an end of file.
            Poll::Pending => self.poll_late(context).map(Ok),
            ready => ready,
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A response's body that keeps its connection busy until it is written.
#[derive(Debug)]
pub(super) struct Tracked<B> {
    body: B,
    _busy: Busy,
}

impl<B> Tracked<B> {
    pub(super) fn new(body: B, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
