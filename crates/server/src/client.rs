//! The client of a running server, for everything in this program that asks one: HTTP, with TLS where the URL says so, one connection that is kept between calls.
//!
//! In: a [`Call`]. Out: the body of a successful answer, or a [`CallError`] that tells whether another try may succeed.

use crate::error::Fatal;
use crate::tls;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};

/// Characters of an answer that an error shows.
const DETAIL_CHARS_MAX: usize = 300;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// `HOST:PORT`.
    authority: String,
    /// It, or what stands before it, speaks TLS.
    has_tls: bool,
}

impl Server {
    /// From a URL such as `http://127.0.0.1:8000` or `https://analytics.example.com`.
    pub(crate) fn parse(url: &str) -> Result<Self, Fatal> {
        let expected = || Fatal::Usage(format!("--url: found {url:?}, expected http://HOST, https://HOST or either with :PORT"));
        let (authority, has_tls, port) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(plain), _) => (plain, false, 80),
            (_, Some(with_tls)) => (with_tls, true, 443),
            _ => return Err(expected()),
        };
        let authority: http::uri::Authority = authority.trim_end_matches('/').parse().map_err(|_| expected())?;
        Ok(Self { authority: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(port)), has_tls })
    }

    /// A server of this machine, by what it listens on.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { authority: reachable(address).to_string(), has_tls: false }
    }

    /// For people.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.has_tls { "https" } else { "http" }, self.authority)
    }

    fn host(&self) -> &str {
        self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CallError> {
        if !self.has_tls {
            return connect(&self.authority).await;
        }
        let stream = reach(&self.authority).await?;
        begin(tls::wrap(stream, self.host()).await.map_err(of_handshake)?).await
    }
}

/// An address that can be connected to, of one that is listened on: a server that listens on every address is reached by the loopback one.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection.
    #[error("{0}")]
    Connect(#[from] std::io::Error),
    /// The other side does not prove who it is.
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    /// The connection broke.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The request cannot be put into words.
    #[error("{0}")]
    Request(#[from] http::Error),
    /// The server takes too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The server says no.
    #[error("the server answered {status}: {detail}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// When to come again.
        retry_after: Option<Duration>,
        /// What it says.
        detail: String,
    },
}

impl CallError {
    /// Whether the same call may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Http(_) | Self::Late(_) => true,
            Self::Tls(_) | Self::Request(_) => false,
            Self::Status { status, .. } => {
                status.is_server_error() || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
        }
    }

    /// How long the server wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What the user can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                "give a personal API key with --api-key or AQUEDUCT_API_KEY"
            }
            Self::Status { .. } => "see what the server says",
            Self::Tls(_) => {
                "check the host of --url, and that the machine trusts its certificate (SSL_CERT_FILE names a file of those to trust)"
            }
            _ => "check --url, and that the server runs",
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// JSON; empty for none.
    pub(crate) body: Bytes,
    /// How long the answer's head may take.
    pub(crate) patience: Duration,
}

impl<'a> Call<'a> {
    pub(crate) fn get(path: &'a str, patience: Duration) -> Self {
        Self { method: Method::GET, path, body: Bytes::new(), patience }
    }

    pub(crate) fn post(path: &'a str, body: impl Into<Bytes>, patience: Duration) -> Self {
        Self { method: Method::POST, path, body: body.into(), patience }
    }
}

/// Asks one server, one call at a time.
#[derive(Debug)]
pub(crate) struct Client {
    server: Server,
    bearer: Option<String>,
    /// A further header of every call.
    marked: Option<(&'static str, &'static str)>,
    idle: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// `bearer` is a key, or a secret of another kind.
    pub(crate) fn new(server: Server, bearer: Option<String>) -> Self {
        Self { server, bearer, marked: None, idle: None }
    }

    /// With a further header in every call.
    pub(crate) fn marked(self, name: &'static str, value: &'static str) -> Self {
        Self { marked: Some((name, value)), ..self }
    }

    /// The body of a successful answer.
    pub(crate) async fn call(&mut self, call: Call<'_>) -> Result<Bytes, CallError> {
        let patience = call.patience;
        let whole = async {
            let (response, sender) = self.send(call).await?;
            let body = response.into_body().collect().await?.to_bytes();
            Ok((body, sender))
        };
        let (body, sender) = tokio::time::timeout(patience, whole).await.unwrap_or(Err(CallError::Late(patience)))?;
        self.idle = Some(sender);
        Ok(body)
    }

    /// A successful answer whose body is read bit by bit.
    pub(crate) async fn open(&mut self, call: Call<'_>) -> Result<Response<Incoming>, CallError> {
        let patience = call.patience;
        let sent = tokio::time::timeout(patience, self.send(call)).await;
        Ok(sent.unwrap_or(Err(CallError::Late(patience)))?.0)
    }

    async fn send(&mut self, call: Call<'_>) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), CallError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::HOST, &self.server.authority)
            .header(header::USER_AGENT, concat!("aqueduct/", env!("CARGO_PKG_VERSION")));
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if let Some((name, value)) = self.marked {
            request = request.header(name, value);
        }
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(call.body))?;
        // One that the server has closed meanwhile is not used again.
        let kept = match self.idle.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.server.connect().await?,
        };
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok((response, sender));
        }
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let text = String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned();
        let detail = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|body| Some(body.get("detail")?.as_str()?.to_owned()));
        let detail = detail.unwrap_or_else(|| text.chars().take(DETAIL_CHARS_MAX).collect());
        Err(CallError::Status { status, retry_after: retry_after.map(Duration::from_secs), detail })
    }
}

/// A connection that breaks may come about later; a certificate that is no good stays so.
fn of_handshake(error: io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => CallError::Tls(error),
        _ => CallError::Connect(error),
    }
}

/// A new connection without TLS.
pub(crate) async fn connect<B>(to: impl ToSocketAddrs) -> Result<SendRequest<B>, CallError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    begin(reach(to).await?).await
}

async fn reach(to: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn begin<B>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<SendRequest<B>, CallError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with its requests: its failure shows as theirs.
    tokio::spawn(connection);
    Ok(sender)
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
        let authority = |url| Server::parse(url).map(|server| server.authority).ok();
        assert_eq!(authority("http://127.0.0.1:8000/"), Some("127.0.0.1:8000".to_owned()));
        assert_eq!(authority("http://host"), Some("host:80".to_owned()));
        assert_eq!((authority("ftp://host"), authority("host:80")), (None, None));
        let with_tls = |url| Server::parse(url).map(|server| (server.url(), server.host().to_owned())).ok();
        assert_eq!(with_tls("https://host/"), Some(("https://host:443".to_owned(), "host".to_owned())));
        assert_eq!(with_tls("https://[::1]:8443"), Some(("https://[::1]:8443".to_owned(), "[::1]".to_owned())));
        assert_eq!(Server::at(SocketAddr::from(([0, 0, 0, 0], 80))).authority, "127.0.0.1:80");
        assert_eq!(segment("a/b c@é"), "a%2Fb%20c%40%C3%A9");
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let status =
            |code| CallError::Status { status: StatusCode::from_u16(code).expect("a status"), retry_after: None, detail: String::new() };
        assert!([429, 408, 500, 503].into_iter().all(|code| status(code).may_pass()));
        assert!(![400, 401, 413].into_iter().any(|code| status(code).may_pass()));
    }
}
