//! The browser bundles of the published package `posthog-js`, embedded when the program is built.
//!
//! `scripts/fetch-assets` puts them into `crates/capture/assets/static` beforehand. Without them everything else works and these routes answer 404
//! with a text that says what to do.

use crate::http::Route;
use crate::reply;
use crate::state::CaptureState;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::RustEmbed;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

#[derive(RustEmbed)]
#[folder = "assets/static"]
struct Bundles;

/// A bundle as it is sent.
#[derive(Clone, Debug)]
struct Served {
    plain: Bytes,
    gzip: Bytes,
    etag: HeaderValue,
}

/// Bundles that were asked for. There are some thirty, so this is bounded.
static SERVED: LazyLock<Mutex<HashMap<String, Served>>> = LazyLock::new(Mutex::default);

/// `/static/<file>`, `/static/<version>/<file>`: the version asked for is the one that is embedded, or near enough that its loader works with it.
pub(crate) async fn static_file(_: Arc<CaptureState>, _: &'static Route, request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(served) = bundle(name).await else { return absent(name) };
    let versioned = path.matches('/').count() > 2 || request.uri().query().is_some_and(|query| query.contains("v="));
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known == served.etag);
    let mut response = if known { reply::empty(StatusCode::NOT_MODIFIED) } else { whole(request.headers(), &served, name) };
    let headers = response.headers_mut();
    headers.insert(ETAG, served.etag);
    // Without a version the name stays and the content changes with the next release.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(if versioned { "public, max-age=86400" } else { "public, max-age=300" }));
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn whole(request: &HeaderMap, served: &Served, name: &str) -> Response {
    let accepts = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let gzip = accepts.split(',').any(|encoding| encoding.split(';').next().unwrap_or_default().trim() == "gzip");
    let mut response = Response::new(Body::from(if gzip { served.gzip.clone() } else { served.plain.clone() }));
    let kind = if name.ends_with(".js") { "application/javascript; charset=utf-8" } else { "text/plain; charset=utf-8" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The text of a bundle.
pub(super) async fn text(name: &str) -> Option<String> {
    String::from_utf8(bundle(name).await?.plain.to_vec()).ok()
}

/// What to do about a bundle that is not there.
pub(super) fn absent(name: &str) -> Response {
    let text = if Bundles::get("array.js").is_none() {
        "this program was built without the browser bundles: run scripts/fetch-assets and build it again".to_owned()
    } else {
        format!("no browser bundle is called {name}")
    };
    reply::text(StatusCode::NOT_FOUND, text)
}

/// A bundle, unpacked and compressed beside the runtime on its first use.
async fn bundle(name: &str) -> Option<Served> {
    let kept = SERVED.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    if kept.is_some() {
        return kept;
    }
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || prepare(&name)).await.ok().flatten()
}

fn prepare(name: &str) -> Option<Served> {
    // The folder also has a note for those who look into the repository.
    let file = Bundles::get(name).filter(|_| name.ends_with(".js") || name.ends_with(".txt"))?;
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    let gzip = encoder.write_all(&file.data).and_then(|()| encoder.finish()).ok()?;
    let hash: String = file.metadata.sha256_hash().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let etag = HeaderValue::from_str(&format!("\"{hash}\"")).ok()?;
    let served = Served { plain: Bytes::from(file.data.into_owned()), gzip: gzip.into(), etag };
    SERVED.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), served.clone());
    Some(served)
}
