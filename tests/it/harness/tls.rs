//! Certificates made for one test, and both ends of TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rerankd::body::{self, Body};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these host names or addresses, as server or client.
    pub fn issue(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Identity { cert: cert.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key`.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.crt")), &self.cert).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), &self.key).unwrap();
    }

    /// A server that shows this certificate.
    pub fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(rerankd::tls::crypto());
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(vec![self.der()], self.key_der()).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// A client's handshake with `addr`, which has to be `localhost`.
pub async fn handshake(
    addr: SocketAddr,
    trust: &Authority,
    us: Option<&Identity>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    handshake_over(stream, trust, us, protocols).await
}

/// The same over a connection that has been made.
pub async fn handshake_over(
    stream: TcpStream,
    trust: &Authority,
    us: Option<&Identity>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(rerankd::tls::crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trust.roots());
    let mut config = match us {
        Some(us) => config.with_client_auth_cert(vec![us.der()], us.key_der()).unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// What a database behind TLS saw of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name that was asked for.
    pub server_name: Option<String>,
    pub protocol: Option<String>,
    /// The certificate that the proxy showed.
    pub client: Option<CertificateDer<'static>>,
    pub version: http::Version,
}

/// A database behind TLS that answers `ok`; stops when dropped.
pub struct TlsDatabase {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl TlsDatabase {
    /// Shows `us`; lets in only clients of `clients`, if there is one.
    pub async fn start(us: &Identity, clients: Option<&Authority>, protocols: &[&str]) -> Self {
        let crypto = rerankd::tls::crypto();
        let config = ServerConfig::builder_with_provider(crypto.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(clients) => {
                let roots = Arc::new(clients.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, crypto).build().unwrap();
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config.with_single_cert(vec![us.der()], us.key_der()).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(response(acceptor.clone(), stream, record.clone()));
            }
        })
        .abort_handle();
        Self { addr, seen, task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TlsDatabase {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn response(acceptor: TlsAcceptor, stream: TcpStream, record: Arc<Mutex<Vec<Seen>>>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let tls = stream.get_ref().1;
    let hello = Seen {
        server_name: tls.server_name().map(str::to_owned),
        protocol: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        client: tls.peer_certificates().and_then(|chain| chain.first()).map(|c| c.clone().into_owned()),
        version: http::Version::HTTP_11,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        record.lock().unwrap().push(Seen { version: request.version(), ..hello.clone() });
        async { Ok::<_, std::convert::Infallible>(Response::<Body>::new(body::full("ok"))) }
    });
    auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
}
