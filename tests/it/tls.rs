//! TLS on either side, and its files changing while connections are open.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::app::Reload;

use crate::harness::{
    Authority, FakeDatabase, Folder, Identity, TlsDatabase, Watched, Wire, body_of, handshake, json_of,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const BOTH: [&str; 2] = ["h2", "http/1.1"];

/// A listener with TLS (more keys of it in `tls`) before a database.
fn listener(database: std::net::SocketAddr, tls: &str) -> String {
    format!(
        "listeners: [{{ listen: '127.0.0.1:0', tls: {{ cert_file: DIR/us.crt, key_file: DIR/us.key{tls} }}, \
         upstream: {{ url: 'http://{database}' }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}"
    )
}

async fn with_tls(us: &Identity, yaml: &str) -> Watched {
    let folder = Folder::new(yaml);
    us.write(&folder.path(""), "us");
    Watched::start_in(folder).await
}

/// A proxy before `https://localhost`, with more keys of the upstream.
fn before(database: &TlsDatabase, upstream: &str) -> String {
    format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'https://localhost:{}'{upstream} }} }}]\n\
         admin: {{ listen: '127.0.0.1:0' }}",
        database.addr.port()
    )
}

async fn get(sidecar: &Watched) -> String {
    let mut client = sidecar.client().await;
    client.send(GET).await;
    client.message().await.expect("a response")
}

fn ok(response: &str) -> bool {
    response.starts_with("HTTP/1.1 200") && body_of(response) == "ok"
}

#[tokio::test]
async fn a_client_chooses_http2_or_http1_in_the_handshake() {
    let database = FakeDatabase::answering(OK).await;
    let authority = Authority::new();
    let sidecar = with_tls(&authority.issue(&["localhost"]), &listener(database.addr, "")).await;
    let at = sidecar.app.listening[0];

    let stream = handshake(at, &authority, None, &BOTH).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let connect = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = connect.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/h2").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (Version::HTTP_2, 200));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");

    for protocols in [&["http/1.1"][..], &[]] {
        let stream = handshake(at, &authority, None, protocols).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), protocols.first().map(|name| name.as_bytes()));
        let mut client = Wire::over(stream);
        client.send(GET).await;
        assert_eq!(client.message().await.unwrap(), OK);
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_kept_out_where_one_is_asked_for() {
    let database = FakeDatabase::answering(OK).await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = Folder::new(&listener(database.addr, ", client_ca_file: DIR/clients.crt"));
    authority.issue(&["localhost"]).write(&folder.path(""), "us");
    folder.write("clients.crt", &authority.pem());
    let sidecar = Watched::start_in(folder).await;
    let at = sidecar.app.listening[0];

    let mut let_in =
        Wire::over(handshake(at, &authority, Some(&authority.issue(&["me"])), &[]).await.unwrap());
    let_in.send(GET).await;
    assert_eq!(let_in.message().await.unwrap(), OK);
    for identity in [None, Some(stranger.issue(&["me"]))] {
        // With TLS 1.3 the client's handshake is over before the server has looked at its certificate.
        if let Ok(stream) = handshake(at, &authority, identity.as_ref(), &[]).await {
            let mut kept_out = Wire::over(stream);
            kept_out.try_send(GET).await;
            assert_eq!(kept_out.message().await, None);
        }
    }
    assert_eq!(database.requests_so_far().await.len(), 1);
}

#[tokio::test]
async fn a_handshake_that_hangs_keeps_nobody_out() {
    let database = FakeDatabase::answering(OK).await;
    let authority = Authority::new();
    let sidecar = with_tls(&authority.issue(&["localhost"]), &listener(database.addr, "")).await;
    let mut hanging = sidecar.client().await;
    hanging.send([0x16, 0x03, 0x01]).await;

    let mut client = Wire::over(handshake(sidecar.app.listening[0], &authority, None, &[]).await.unwrap());
    client.send(GET).await;
    assert_eq!(client.message().await.unwrap(), OK);
    drop(hanging);
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let database = FakeDatabase::answering(OK).await;
    let yaml = listener(database.addr, ", handshake_timeout: 50ms");
    let sidecar = with_tls(&Authority::new().issue(&["localhost"]), &yaml).await;
    let mut hanging = sidecar.client().await;
    hanging.send([0x16, 0x03, 0x01]).await;
    assert_eq!(hanging.rest().await, "", "closed without a word");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_drops_no_old_one() {
    let database = FakeDatabase::answering(OK).await;
    let authority = Authority::new();
    let (first, second) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let sidecar = with_tls(&first, &listener(database.addr, "")).await;
    let at = sidecar.app.listening[0];
    let shown = |stream: &tokio_rustls::client::TlsStream<tokio::net::TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let old = handshake(at, &authority, None, &[]).await.unwrap();
    assert_eq!(shown(&old), first.der());
    let mut old = Wire::over(old);
    old.send(GET).await;
    assert_eq!(old.message().await.unwrap(), OK);

    // The certificate alone does not fit the old key.
    std::fs::write(sidecar.folder.path("us.crt"), &second.cert).unwrap();
    let Reload::Rejected(rejection) = sidecar.reloader.check_now().await else { panic!("activated") };
    assert!(rejection.to_string().starts_with("TLS of the listener 127.0.0.1:0"), "{rejection}");
    assert_eq!(shown(&handshake(at, &authority, None, &[]).await.unwrap()), first.der());
    std::fs::write(sidecar.folder.path("us.key"), &second.key).unwrap();
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));

    assert_eq!(shown(&handshake(at, &authority, None, &[]).await.unwrap()), second.der());
    old.send(GET).await;
    assert_eq!(old.message().await.unwrap(), OK);
    let ends = rerankd::tls::not_after(&second.der()).unwrap().to_string();
    let series = "rerankd_certificate_not_after_timestamp_seconds{listen=\"127.0.0.1:0\",use=\"listener\"}";
    assert_eq!(sidecar.metric(series).await, ends);
}

#[tokio::test]
async fn the_database_is_reached_by_its_own_authority_and_a_new_one_is_loaded() {
    let (old, new) = (Authority::new(), Authority::new());
    let before_it = TlsDatabase::start(&old.issue(&["localhost"]), None, &[]).await;
    let folder = Folder::new(&before(&before_it, ", ca_file: DIR/ca.crt"));
    folder.write("ca.crt", &old.pem());
    let sidecar = Watched::start_in(folder).await;
    assert!(ok(&get(&sidecar).await));

    // Pooled connections to the old one would hide that the new one is not trusted yet.
    let behind_new = TlsDatabase::start(&new.issue(&["localhost"]), None, &[]).await;
    let yaml = before(&behind_new, ", ca_file: DIR/ca.crt");
    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    assert!(get(&sidecar).await.starts_with("HTTP/1.1 502"));
    sidecar.folder.write("ca.crt", &new.pem());
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
    assert!(ok(&get(&sidecar).await));
}

#[tokio::test]
async fn a_database_that_asks_who_we_are_is_reported_and_a_new_certificate_is_loaded() {
    let authority = Authority::new();
    let database = TlsDatabase::start(&authority.issue(&["localhost"]), Some(&authority), &[]).await;
    let anonymous = before(&database, ", ca_file: DIR/ca.crt");
    let named =
        before(&database, ", ca_file: DIR/ca.crt, client_cert_file: DIR/me.crt, client_key_file: DIR/me.key");
    let folder = Folder::new(&anonymous);
    folder.write("ca.crt", &authority.pem());
    let (first, second) = (authority.issue(&["me"]), authority.issue(&["me"]));
    first.write(&folder.path(""), "me");
    let sidecar = Watched::start_in(folder).await;
    assert!(get(&sidecar).await.starts_with("HTTP/1.1 502"));

    assert!(matches!(sidecar.reload(&named).await, Reload::Applied));
    assert!(ok(&get(&sidecar).await));
    second.write(&sidecar.folder.path(""), "me");
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
    assert!(ok(&get(&sidecar).await));
    let clients: Vec<_> = database.seen().into_iter().map(|seen| seen.client.unwrap()).collect();
    assert_eq!(clients, [first.der(), second.der()]);
}

#[tokio::test]
async fn another_name_than_the_urls_is_asked_for_and_expected_where_configured() {
    let authority = Authority::new();
    let database = TlsDatabase::start(&authority.issue(&["search.internal"]), None, &[]).await;
    let folder = Folder::new(&before(&database, ", ca_file: DIR/ca.crt"));
    folder.write("ca.crt", &authority.pem());
    let sidecar = Watched::start_in(folder).await;
    assert!(get(&sidecar).await.starts_with("HTTP/1.1 502"), "the certificate is not for localhost");

    let named = before(&database, ", ca_file: DIR/ca.crt, server_name: search.internal");
    assert!(matches!(sidecar.reload(&named).await, Reload::Applied));
    assert!(ok(&get(&sidecar).await));
    assert_eq!(database.seen()[0].server_name.as_deref(), Some("search.internal"));
}

#[tokio::test]
async fn http2_to_the_database_is_agreed_on_in_the_handshake() {
    let authority = Authority::new();
    let database = TlsDatabase::start(&authority.issue(&["localhost"]), None, &BOTH).await;
    let folder = Folder::new(&before(&database, ", ca_file: DIR/ca.crt, http2: true"));
    folder.write("ca.crt", &authority.pem());
    let sidecar = Watched::start_in(folder).await;
    assert!(ok(&get(&sidecar).await));
    let seen = database.seen().remove(0);
    assert_eq!((seen.protocol.as_deref(), seen.version), (Some("h2"), Version::HTTP_2));
}

#[tokio::test]
async fn a_database_that_never_completes_its_handshake_is_given_up_in_time() {
    let database = FakeDatabase::by_hand().await;
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'https://{}', connect_timeout: 100ms }} }}]\n\
         admin: {{ listen: '127.0.0.1:0' }}",
        database.addr
    );
    let sidecar = Watched::start(&yaml).await;
    let response = tokio::time::timeout(Duration::from_secs(5), get(&sidecar)).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 502"), "{response}");
}

#[tokio::test]
async fn a_database_with_another_certificate_gets_nothing_and_the_client_a_502() {
    let (authority, another) = (Authority::new(), Authority::new());
    let good = TlsDatabase::start(&authority.issue(&["127.0.0.1"]), None, &["http/1.1"]).await;
    let misnamed = TlsDatabase::start(&authority.issue(&["db.example"]), None, &["http/1.1"]).await;
    for (upstream, trusted) in [
        (format!("https://{}", good.addr), &another),
        (format!("https://{}", misnamed.addr), &authority),
        // And nothing goes in the clear to who speaks TLS.
        (format!("http://{}", good.addr), &authority),
    ] {
        let folder = Folder::new(&format!(
            "listeners: [{{ listen: \"127.0.0.1:0\", upstream: {{ url: \"{upstream}\", ca_file: DIR/ca.pem }} }}]\n\
             admin: {{ listen: \"127.0.0.1:0\" }}\n"
        ));
        folder.write("ca.pem", &trusted.pem());
        let program = Watched::start_in(folder).await;
        let mut client = program.client().await;
        client.send("POST /i/_search HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}").await;
        let got = client.message().await.unwrap();
        assert!(got.starts_with("HTTP/1.1 502"), "{upstream}: {got}");
        let error = json_of(&got);
        assert!(error["error"]["reason"].as_str().unwrap().starts_with("rerankd: "), "{error}");
    }
    assert!(good.seen().is_empty() && misnamed.seen().is_empty());
}

#[tokio::test]
async fn the_rerank_endpoint_speaks_tls_and_shows_a_new_certificate_to_new_connections() {
    let authority = Authority::new();
    let (first, second) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let yaml = "rerank_api: { listen: '127.0.0.1:0', providers: [lexical], \
                tls: { cert_file: DIR/us.crt, key_file: DIR/us.key } }\nadmin: { listen: '127.0.0.1:0' }";
    let sidecar = with_tls(&first, yaml).await;
    let at = sidecar.app.rerank_api.unwrap();
    let shown = |stream: &tokio_rustls::client::TlsStream<tokio::net::TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let stream = handshake(at, &authority, None, &[]).await.unwrap();
    assert_eq!(shown(&stream), first.der());
    let body = r#"{"model":"m","query":"giraffe","documents":["okapi","giraffe"]}"#;
    let asked = format!(
        "POST /v2/rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut old = Wire::over(stream);
    for written in [false, true] {
        if written {
            second.write(&sidecar.folder.path(""), "us");
            assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
        }
        old.send(&asked).await;
        assert_eq!(json_of(&old.message().await.unwrap())["results"][0]["index"], 1);
    }
    assert_eq!(shown(&handshake(at, &authority, None, &[]).await.unwrap()), second.der());
    let ends = rerankd::tls::not_after(&second.der()).unwrap().to_string();
    let series = "rerankd_certificate_not_after_timestamp_seconds{listen=\"127.0.0.1:0\",use=\"listener\"}";
    assert_eq!(sidecar.metric(series).await, ends);
}
