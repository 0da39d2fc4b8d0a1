//! Over real sockets, in real time: what pipes cannot do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::{
    Member, QUERY, id,
    peer::{Act, Peer},
    some,
};
use crate::fleet::{Address, Fleet, FleetError, FleetMetrics, Settings};

/// Accepts for `peer`; `accept` may do something else with a connection.
async fn listen(peer: Arc<Peer>, accept: impl Fn(TcpStream) -> Option<TcpStream> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Some(stream) = accept(stream) {
                tokio::spawn(peer.clone().serve(stream));
            }
        }
    });
    address.to_string()
}

async fn polled(so: impl Fn() -> bool) {
    let waited = async {
        while !so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.unwrap();
}

/// A search asks once and gets nothing, without waiting for a connection.
async fn misses_at_once(member: &Member) {
    let started = Instant::now();
    assert_eq!(member.fleet.scores(&QUERY, &[id(1), id(2)]).await, [None, None]);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn members_share_scores_over_sockets() {
    let peer = Peer::new();
    let address = listen(peer.clone(), Some).await;
    let change = |settings: &mut Settings| settings.timeout = Duration::from_secs(5);
    let (one, other) = (
        Member::at(&format!("redis://{address}"), change),
        Member::at(&format!("redis://{address}"), change),
    );
    polled(|| one.fleet.writes.is_usable() && other.fleet.reads.is_usable()).await;
    one.fleet.remember(QUERY, some(3));
    one.fleet.flush(Duration::from_secs(10)).await;
    assert_eq!(other.fleet.scores(&QUERY, &[id(3), id(9), id(1)]).await, [Some(0.03), None, Some(0.01)]);
}

/// A certificate for `localhost`, and a socket where `peer` shows it.
async fn listen_with_tls(peer: Arc<Peer>) -> (tempfile::NamedTempFile, u16) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let address = listen(Peer::new(), move |stream| {
        let (acceptor, peer) = (acceptor.clone(), peer.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                peer.serve(stream).await;
            }
        });
        None
    })
    .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    (file, address.rsplit_once(':').unwrap().1.parse().unwrap())
}

#[tokio::test]
async fn over_tls_only_a_trusted_certificate_is_spoken_to() {
    let peer = Peer::new();
    let (ca, port) = listen_with_tls(peer.clone()).await;
    let path = ca.path().to_owned();
    let url = format!("rediss://localhost:{port}");
    let member = Member::at(&url, |settings| {
        settings.timeout = Duration::from_secs(5);
        settings.ca_file = Some(path);
    });
    polled(|| member.fleet.reads.is_usable()).await;
    assert_eq!(member.fleet.scores(&QUERY, &[id(1)]).await, [None]);
    assert_eq!(peer.seen("LRANGE").len(), 1);

    let (_other, port) = listen_with_tls(peer.clone()).await;
    let path = ca.path().to_owned();
    let member = Member::at(&format!("rediss://localhost:{port}"), |settings| settings.ca_file = Some(path));
    polled(|| member.breaker("reads") == 2.0).await;
    misses_at_once(&member).await;
    assert_eq!(peer.seen("LRANGE").len(), 1);
}

#[tokio::test]
async fn a_port_where_nobody_listens_opens_the_breakers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let member = Member::at(&format!("redis://{address}"), |_| {});
    polled(|| member.breaker("reads") == 2.0 && member.breaker("writes") == 2.0).await;
    misses_at_once(&member).await;
}

#[tokio::test]
async fn a_peer_that_resets_or_says_something_else_opens_the_breakers() {
    let resets: fn(TcpStream) -> Option<TcpStream> = |stream| {
        stream.set_zero_linger().unwrap();
        None
    };
    let talks: fn(TcpStream) -> Option<TcpStream> = |mut stream| {
        tokio::spawn(async move { stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await });
        None
    };
    for accept in [resets, talks] {
        let address = listen(Peer::new(), accept).await;
        let member = Member::at(&format!("redis://{address}"), |_| {});
        polled(|| member.breaker("reads") == 2.0 && member.breaker("writes") == 2.0).await;
        misses_at_once(&member).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_opened_again() {
    let peer = Peer::new();
    let address = listen(peer.clone(), Some).await;
    let member =
        Member::at(&format!("redis://{address}"), |settings| settings.timeout = Duration::from_secs(5));
    polled(|| member.fleet.reads.is_usable()).await;
    let resets = AtomicUsize::new(1);
    peer.script(move |words| {
        let left = resets.load(Ordering::SeqCst);
        if words[0] == b"LRANGE" && words[1].windows(3).any(|part| part == b":q:") && left > 0 {
            resets.store(left - 1, Ordering::SeqCst);
            return Act::Close;
        }
        Act::Serve
    });
    misses_at_once(&member).await;
    assert_eq!(member.round_trips("get"), [1.0, 0.0, 1.0, 0.0], "asked again on a new connection");
}

#[tokio::test]
async fn a_rejected_login_opens_the_breakers_and_a_renewed_password_file_is_read_again() {
    let peer = Peer::new();
    peer.script(|words| match words {
        [auth, .., password] if auth == b"AUTH" && password == b"new" => Act::Say("+OK\r\n"),
        [auth, ..] if auth == b"AUTH" => Act::Say("-WRONGPASS invalid username-password pair\r\n"),
        _ => Act::Serve,
    });
    let address = listen(peer.clone(), Some).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let path = file.path().to_owned();
    let member =
        Member::at(&format!("redis://app@{address}"), |settings| settings.password_file = Some(path));
    polled(|| member.breaker("reads") == 2.0 && member.breaker("writes") == 2.0).await;
    misses_at_once(&member).await;
    std::fs::write(file.path(), "new\n").unwrap();
    polled(|| member.breaker("reads") == 0.0).await;
    assert_eq!(peer.seen("AUTH").last().unwrap()[1..], [b"app".to_vec(), b"new".to_vec()]);
}

#[test]
fn settings_that_can_never_work_are_reported() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let start = |url: &str, change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::new(Address::parse(url).unwrap());
        change(&mut settings);
        let metrics = FleetMetrics::register(&prometheus::Registry::new()).unwrap();
        Fleet::new(settings, metrics).unwrap_err()
    };
    let path = || Some(file.path().to_owned());
    let error = start("redis://a", &|s| s.ca_file = path());
    assert!(matches!(error, FleetError::CaWithoutTls), "{error}");
    let error = start("rediss://a", &|s| s.ca_file = path());
    assert!(matches!(error, FleetError::NoCertificates), "{error}");
    let error = start("redis://:s3cret@a", &|s| s.password_file = path());
    assert!(matches!(error, FleetError::TwoPasswords) && !error.to_string().contains("s3cret"), "{error}");
    let error = start("redis://a", &|s| s.password_file = Some("/no/such/file".into()));
    assert!(matches!(error, FleetError::File { setting: "cache.redis.password_file", .. }), "{error}");
    let error = start("redis://a", &|s| s.prefix = "{a}".to_owned());
    assert!(matches!(error, FleetError::Prefix), "{error}");
}
