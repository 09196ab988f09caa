//! A client of a running server, for commands: one request, one answer, over plain HTTP.

use crate::error::Fatal;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long an answer may take: an audit reads the whole store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3_600);

/// A server, and the right to ask it.
#[derive(Debug)]
pub(crate) struct Remote {
    url: String,
    /// `HOST:PORT`.
    authority: String,
    api_key: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] http::Error),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("the server answered {status}: {detail}")]
    Status { status: StatusCode, detail: String },
}

impl Remote {
    /// From a URL such as `http://127.0.0.1:8000`.
    pub(crate) fn parse(url: &str, api_key: Option<&str>) -> Result<Self, Fatal> {
        let url = url.trim_end_matches('/');
        let expected = || Fatal::Usage(format!("--url: found {url:?}, expected http://HOST or http://HOST:PORT"));
        let authority: http::uri::Authority = url.strip_prefix("http://").ok_or_else(expected)?.parse().map_err(|_| expected())?;
        let authority = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        Ok(Self { url: url.to_owned(), authority, api_key: api_key.map(str::to_owned) })
    }

    /// One request; the body of a successful answer.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<String, Fatal> {
        let answer = crate::runtime(0)?.block_on(async {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.answer(method, path, body)).await;
            answer.unwrap_or(Err(AskError::Late(ANSWER_TIMEOUT)))
        });
        answer.map_err(|failure| {
            let remedy = match &failure {
                AskError::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                    "give a personal API key with --api-key or AQUEDUCT_API_KEY"
                }
                AskError::Status { .. } => "see what the server says",
                _ => "check --url, and that the server runs",
            };
            Fatal::failure(&format!("cannot ask {}", self.url), failure, remedy)
        })
    }

    async fn answer(&self, method: Method, path: &str, body: Option<String>) -> Result<String, AskError> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the request: its failure shows as the request's own.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::USER_AGENT, concat!("aqueduct/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let response = sender.send_request(request.body(Full::new(Bytes::from(body.unwrap_or_default())))?).await?;
        let status = response.status();
        let text = String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let detail = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|body| Some(body.get("detail")?.as_str()?.to_owned()));
        Err(AskError::Status { status, detail: detail.unwrap_or_else(|| text.chars().take(300).collect()) })
    }
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_segments() {
        let authority = |url| Remote::parse(url, None).map(|remote| remote.authority).ok();
        assert_eq!(authority("http://127.0.0.1:8000/"), Some("127.0.0.1:8000".to_owned()));
        assert_eq!(authority("http://host"), Some("host:80".to_owned()));
        assert_eq!((authority("https://host"), authority("host:80")), (None, None));
        assert_eq!(segment("a/b c@é"), "a%2Fb%20c%40%C3%A9");
    }
}
