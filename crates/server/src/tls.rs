//! TLS for the client: connections to servers behind a proxy that ends it.
//!
//! Certificates are checked against those that this machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as for OpenSSL.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Wraps a connection to `host`, whose certificate has to be for that name or address.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when the host can be on no certificate, [`io::ErrorKind::NotFound`] when this machine trusts nobody, and what the handshake
/// answers.
pub(crate) async fn wrap(stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
    // An address of version 6 stands in brackets in a URL, not on a certificate.
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(config()?).connect(name, stream).await
}

/// Read once: connections come and go.
fn config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let config = Arc::new(ClientConfig::builder().with_root_certificates(trusted()?).with_no_client_auth());
    Ok(Arc::clone(CONFIG.get_or_init(|| config)))
}

/// Whom this machine trusts.
fn trusted() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store holds certificates in forms that nobody uses any more: those that cannot be read are nobody's.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    let found = format!(
        "found no certificate that this machine trusts{why}, expected some: install ca-certificates or name a file by SSL_CERT_FILE"
    );
    Err(io::Error::new(io::ErrorKind::NotFound, found))
}
