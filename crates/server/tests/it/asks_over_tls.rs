//! Commands that ask a server reach it through a proxy that ends TLS, if they may trust its certificate, and say so if not.

use crate::process::{KEY, Server, TOKEN, aqueduct};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Ends TLS before a server, with a certificate for `localhost` of its own.
struct Proxy {
    address: SocketAddr,
    certificate: String,
    /// It goes on for as long as this is there.
    _runtime: Runtime,
}

impl Proxy {
    fn before(server: &str) -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = server.to_owned();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(stream).await?;
                    let mut inside = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Self { address, certificate: cert.pem(), _runtime: runtime }
    }
}

fn export(url: &str, trusted: &Path) -> Output {
    aqueduct().args(["export", "--url", url, "--api-key", KEY]).env("SSL_CERT_FILE", trusted).output().expect("runs")
}

#[test]
fn with_a_certificate_that_is_trusted() {
    let root = tempfile::tempdir().expect("directory");
    let dir = root.path();
    let server = Server::start(&dir.join("data"));
    let proxy = Proxy::before(&server.address);
    let (ours, others) = (dir.join("ours.pem"), dir.join("others.pem"));
    std::fs::write(&ours, &proxy.certificate).expect("writes");
    std::fs::write(&others, Proxy::before(&server.address).certificate).expect("writes");
    let url = format!("https://localhost:{}", proxy.address.port());

    let event =
        r#"{"uuid": "018f0000-0000-4000-8000-000000000001", "event": "e", "distinct_id": "p", "timestamp": "2024-01-01T00:00:00Z"}"#;
    std::fs::write(dir.join("in.ndjson"), format!("{event}\n")).expect("writes");
    let import = ["import", "--json", "--url", &url, "--token", TOKEN, "--api-key", KEY, "in.ndjson"];
    let output = aqueduct().current_dir(dir).args(import).env("SSL_CERT_FILE", &ours).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = export(&url, &ours);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("018f0000-0000-4000-8000-000000000001"));

    // Whoever is not trusted, or has another name, is told at once, not tried again.
    let other_name = format!("https://127.0.0.1:{}", proxy.address.port());
    for (url, trusted) in [(&url, &others), (&other_name, &ours)] {
        let began = Instant::now();
        let output = export(url, trusted);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("certificate") && said.contains("SSL_CERT_FILE"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(20), "{said}");
    }
}
