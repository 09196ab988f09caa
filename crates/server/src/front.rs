//! What stands behind a listener at the moment: nothing yet, the parts of this process, or its successor.
//!
//! ```text
//! opening ── parts are open ──▶ here ── a successor took the sockets ──▶ there
//!   requests wait                answered                                  passed on to it
//! ```
//! So a client that connects while the server starts, or keeps a connection over a change of binary, sees a short delay and no error.
//!
//! # Invariants
//! - A request that waits is bounded in time ([`HOLD_MAX`]), and holds its connection only: its body is not read.
//! - After [`Front::hand_over`] returns, no request holds anything of this process's parts.

use crate::client::{connect, reachable};
use crate::ops::Readiness;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Request, StatusCode, Uri, Version};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

/// How long a request may wait until there is something that can answer it.
const HOLD_MAX: Duration = Duration::from_secs(20);

/// The front of one listener. Clones are the same front.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    back: Arc<watch::Sender<Back>>,
    /// Turns true when requests under way have to end.
    abandoned: Arc<watch::Sender<bool>>,
    readiness: Readiness,
}

#[derive(Clone, Debug)]
enum Back {
    Opening,
    /// Each request holds a clone of the sender: who has the receiver knows when the last one is done.
    Here(Router, mpsc::Sender<Infallible>),
    There(SocketAddr),
}

/// Requests that this process answers; ends when none is left.
#[derive(Debug)]
pub(crate) struct UnderWay(mpsc::Receiver<Infallible>);

impl Front {
    /// A front that lets requests wait.
    pub(crate) fn opening(readiness: Readiness) -> Self {
        Self { back: Arc::new(watch::Sender::new(Back::Opening)), abandoned: Arc::new(watch::Sender::new(false)), readiness }
    }

    /// From now on `router` answers.
    pub(crate) fn open(&self, router: Router) -> UnderWay {
        let (sender, receiver) = mpsc::channel(1);
        self.back.send_replace(Back::Here(router, sender));
        UnderWay(receiver)
    }

    /// From now on requests are passed on to the process that listens on `address`. Returns when those under way are done, or were given up after `bound`.
    pub(crate) async fn hand_over(&self, address: SocketAddr, mut under_way: UnderWay, bound: Duration) {
        self.back.send_replace(Back::There(reachable(address)));
        if tokio::time::timeout(bound, under_way.0.recv()).await.is_err() {
            tracing::warn!("some requests did not finish in time; their clients are asked to send again");
            self.abandoned.send_replace(true);
            let _ = under_way.0.recv().await;
        }
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response {
        let back = self.back.borrow().clone();
        match back {
            Back::Here(router, under_way) => self.here(router, under_way, request).await,
            Back::There(address) => there(address, request).await,
            Back::Opening => match request.uri().path() {
                "/_liveness" => "ok".into_response(),
                "/_readiness" => self.readiness.answer(),
                _ => self.wait(request).await,
            },
        }
    }

    async fn wait(&self, request: Request<Body>) -> Response {
        let mut back = self.back.subscribe();
        let opened = tokio::time::timeout(HOLD_MAX, back.wait_for(|back| !matches!(back, Back::Opening))).await;
        let back = opened.ok().and_then(|back| back.ok().map(|back| back.clone()));
        match back {
            Some(Back::Here(router, under_way)) => self.here(router, under_way, request).await,
            Some(Back::There(address)) => there(address, request).await,
            Some(Back::Opening) | None => later(),
        }
    }

    async fn here(&self, router: Router, under_way: mpsc::Sender<Infallible>, request: Request<Body>) -> Response {
        let mut abandoned = self.abandoned.subscribe();
        let response = tokio::select! {
            Ok(response) = router.oneshot(request) => response,
            _ = abandoned.wait_for(|abandoned| *abandoned) => later(),
        };
        drop(under_way);
        response
    }
}

/// 503: come again in a moment.
fn later() -> Response {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, "the server is being changed, please retry").into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Passes a request on to the successor. It waits there when the successor is not open yet.
async fn there(address: SocketAddr, request: Request<Body>) -> Response {
    let version = request.version();
    match pass_on(address, request).await {
        Ok(mut response) => {
            if version < Version::HTTP_2 {
                // The client's next connection is the successor's own.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
        Err(failure) => {
            tracing::warn!(%failure, "a request could not be passed on to the new process");
            later()
        }
    }
}

async fn pass_on(address: SocketAddr, mut request: Request<Body>) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let mut sender = connect(address).await?;
    if let (Some(host), false) = (request.uri().authority().map(ToString::to_string), request.headers().contains_key("host")) {
        request.headers_mut().insert("host", host.parse()?);
    }
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied()
        && !request.headers().contains_key("x-forwarded-for")
    {
        request.headers_mut().insert("x-forwarded-for", peer.ip().to_string().parse()?);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().remove(CONNECTION);
    Ok(sender.send_request(request).await?.map(Body::new))
}
