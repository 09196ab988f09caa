//! The HTTP server: connections in, requests to the router, an orderly end.
//!
//! # Invariants
//! - A connection has a deadline whenever it owes us something: the head of a request, or the next request.
//! - The number of connections is bounded, in all and per address; further ones wait in the kernel's queue, or are closed.
//! - The fewer connections are left, the shorter idle and slow ones are kept.
//! - After the stop signal no connection is accepted, and those under way finish what they do.

mod activity;
mod crowd;

use crate::front::Front;
use crate::metrics;
use activity::{Activity, Timed, Tracked};
use axum::body::Body;
use axum::extract::ConnectInfo;
use crowd::{Crowd, Place};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at the same time.
    pub(crate) connections_max: usize,
    /// Connections from one address at the same time.
    pub(crate) per_address_max: usize,
    /// From the first byte of a request to the end of its head.
    pub(crate) head_timeout: Duration,
    /// Between two requests.
    pub(crate) keep_alive: Duration,
    /// For requests under way when the server stops.
    pub(crate) drain_timeout: Duration,
}

/// Whether a server goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stop {
    #[default]
    No,
    /// Another process accepts. Connections that clients keep are served until they end by themselves.
    HandedOver,
    /// It ends: requests under way are finished, idle connections are closed.
    Now,
}

/// Wait after the system refused a connection, mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// The head of a request has at most this many bytes; a longer one is answered 431. (It is also what a connection buffers at most.)
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Serves until `stop` says so; returns when the last connection has ended or the drain time is over.
pub(crate) async fn serve(listener: TcpListener, front: Front, limits: Limits, mut stop: watch::Receiver<Stop>) {
    let graceful = GracefulShutdown::new();
    let crowd = Arc::new(Crowd::new(limits));
    let mut builder = Builder::new(TokioExecutor::new());
    // Deadlines are kept by `Timed`: hyper's own would also end connections that wait for their next request.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop != Stop::No) => break,
            accepted = accept(&listener, &crowd) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let activity = Arc::new(Activity::default());
        let io = TokioIo::new(Timed::new(stream, Arc::clone(&activity), Arc::clone(&crowd)));
        let front = front.clone();
        let service = service_fn(move |request| answer(front.clone(), Arc::clone(&activity), peer, request));
        let connection = graceful.watch(builder.serve_connection(io, service).into_owned());
        tokio::spawn(async move {
            // A client that goes away in the middle is not worth a log line.
            if let Err(failure) = connection.await {
                tracing::debug!(%peer, failure, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        _ = stop.wait_for(|stop| *stop == Stop::Now) => {}
        () = crowd.gone() => {}
        // An idle connection ends by its own deadline: closing it earlier could meet a request on its way.
        () = tokio::time::sleep(limits.keep_alive + limits.head_timeout) => {}
    }
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

async fn accept(listener: &TcpListener, crowd: &Arc<Crowd>) -> Option<(TcpStream, SocketAddr, Place)> {
    let room = crowd.room().await?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let Some(place) = crowd.place(room, peer.ip().to_canonical()) else {
                metrics::turned_away();
                return None;
            };
            // Answers are small: they must not wait for more to send.
            let _ = stream.set_nodelay(true);
            metrics::connection();
            Some((stream, peer, place))
        }
        Err(failure) => {
            tracing::warn!(%failure, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_RETRY).await;
            None
        }
    }
}

async fn answer(
    front: Front,
    activity: Arc<Activity>,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Tracked<Body>>, Infallible> {
    let busy = activity.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = front.answer(request).await;
    Ok(response.map(|body| Tracked::new(body, busy)))
}
