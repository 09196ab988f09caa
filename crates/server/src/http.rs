//! The HTTP server: connections in, requests to the router, an orderly end.
//!
//! # Invariants
//! - A connection has a deadline whenever it owes us something: the head of a request, or the next request.
//! - The number of connections is bounded; further ones wait in the kernel's queue.
//! - After the stop signal no connection is accepted, and those under way finish what they do.

mod activity;

use crate::metrics;
use activity::{Activity, Timed, Tracked};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at the same time.
    pub(crate) connections_max: usize,
    /// From the first byte of a request to the end of its head.
    pub(crate) head_timeout: Duration,
    /// Between two requests.
    pub(crate) keep_alive: Duration,
    /// For requests under way when the server stops.
    pub(crate) drain_timeout: Duration,
}

/// Wait after the system refused a connection, mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Serves until `stop` turns true; returns when the last connection has ended or the drain time is over.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut builder = Builder::new(TokioExecutor::new());
    // Deadlines are kept by `Timed`: hyper's own would also end connections that wait for their next request.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let activity = Arc::new(Activity::default());
        let io = TokioIo::new(Timed::new(stream, Arc::clone(&activity), limits.head_timeout, limits.keep_alive));
        let router = router.clone();
        let service = service_fn(move |request| answer(router.clone(), Arc::clone(&activity), peer, request));
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
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
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
    router: Router,
    activity: Arc<Activity>,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Tracked<Body>>, Infallible> {
    let busy = activity.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Tracked::new(body, busy)))
}
