//! A database behind TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rerankd::upstream::{Body, body};
use rustls_pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::Program;

/// A certification authority of the test's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub file: NamedTempFile,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// A server that has a certificate for `name` from this authority and answers with version and path.
    pub async fn serve(&self, name: &str, protocol: &[u8]) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    server.serve_connection(TokioIo::new(stream), service_fn(tell)).await.ok();
                });
            }
        });
        addr
    }
}

async fn tell(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(body::full(format!("{:?} {}", request.version(), request.uri().path()))))
}

/// What a search through a program with this upstream gets: status and body.
async fn search(upstream: &str) -> (String, String) {
    let yaml = format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {upstream}\nadmin: {{ listen: 127.0.0.1:0 }}\n"
    );
    let program = Program::start(&yaml, &[]).await;
    let mut client = program.client().await;
    client.send("POST /i/_search HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").await;
    let got = client.answer(false).await.unwrap();
    (got.word(1).to_owned(), got.text())
}

#[tokio::test]
async fn a_certificate_of_the_given_authority_is_trusted() {
    let authority = Authority::new();
    let ca = authority.file.path().display();
    for (protocol, http2, version) in [("http/1.1", false, "HTTP/1.1"), ("h2", true, "HTTP/2.0")] {
        let addr = authority.serve("127.0.0.1", protocol.as_bytes()).await;
        let upstream = format!("{{ url: \"https://{addr}\", ca_file: \"{ca}\", http2: {http2} }}");
        assert_eq!(search(&upstream).await, ("200".to_owned(), format!("{version} /i/_search")));
    }
}

#[tokio::test]
async fn no_other_certificate_is() {
    let (authority, another) = (Authority::new(), Authority::new());
    let (own, other) = (authority.file.path().display(), another.file.path().display());
    let good = authority.serve("127.0.0.1", b"http/1.1").await;
    let misnamed = authority.serve("db.example", b"http/1.1").await;
    for upstream in [
        format!("{{ url: \"https://{good}\", ca_file: \"{other}\" }}"),
        format!("{{ url: \"https://{good}\" }}"),
        format!("{{ url: \"https://{misnamed}\", ca_file: \"{own}\" }}"),
        // And nothing goes in the clear to who speaks TLS.
        format!("{{ url: \"http://{good}\", ca_file: \"{own}\" }}"),
    ] {
        let (status, body) = search(&upstream).await;
        assert_eq!(status, "502", "{upstream}");
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(error["error"]["reason"].as_str().unwrap().starts_with("rerankd: "), "{error}");
    }
}
