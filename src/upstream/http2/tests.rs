use std::net::SocketAddr;
use std::time::Duration;

use http::uri::Scheme;
use http_body_util::BodyExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;
use crate::body;
use crate::upstream::connect;

/// How a peer treats the calls that it gets.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    /// It answers them.
    Answers,
    /// It answers none, and lives.
    Thinks,
    /// It answers none, and reads nothing more.
    Freezes,
}

/// Peers in the order of their connections; the last one is that of all others. Tells when each connection ends.
async fn peers(peers: &'static [Peer]) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<usize>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let (tell, ended) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = socket.accept().await.unwrap();
            let (peer, tell) = (*peers.get(number).unwrap_or(peers.last().unwrap()), tell.clone());
            tokio::spawn(async move {
                serve(peer, stream).await;
                tell.send(number).ok();
            });
        }
    });
    (addr, ended)
}

async fn serve(peer: Peer, stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut open = Vec::new();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        match peer {
            Peer::Answers => drop(respond.send_response(Response::new(()), true).unwrap()),
            Peer::Thinks => open.push(respond),
            Peer::Freezes => std::future::pending().await,
        }
    }
}

fn http2(addr: SocketAddr) -> Http2 {
    let url: Uri = format!("http://{addr}/").parse().unwrap();
    let settings = UpstreamSettings {
        http2: true,
        body_timeout: None,
        idle_timeout: Duration::from_secs(60),
        ..UpstreamSettings::new(url.clone())
    };
    let connector = connect::connector(&Scheme::HTTP, &settings).unwrap();
    Http2::new(connector, url, &settings)
}

async fn call(http2: &Http2, seconds: u64) -> Result<u16, UpstreamError> {
    let request = Request::post("http://db/a.B/C").body(body::full("m")).unwrap();
    let response = Some(Duration::from_secs(seconds));
    let since = Instant::now();
    let waiting = ResponseTimeout::Since { since, connection: response, response, once_sent: false };
    let response = http2.send(request, waiting).await?;
    let status = response.status().as_u16();
    if let Came::Streamed(body) = response.into_body() {
        body.collect().await.unwrap();
    }
    Ok(status)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_acknowledges_no_ping_is_given_up_and_calls_go_on_elsewhere() {
    let (addr, _ended) = peers(&[Peer::Freezes, Peer::Answers]).await;
    let http2 = http2(addr);
    let start = Instant::now();
    let frozen = async {
        let error = call(&http2, 3600).await.unwrap_err();
        assert!(error.is_broken(), "{error:?}");
        start.elapsed().as_secs()
    };
    let later = async {
        // From when it is in doubt, before it is given up.
        tokio::time::sleep(Duration::from_secs(22)).await;
        assert_eq!(call(&http2, 1).await.unwrap(), 200);
    };
    let (seconds, ()) = tokio::join!(frozen, later);
    assert_eq!(seconds, 25);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_its_time_and_acknowledges_is_waited_for() {
    let (addr, _ended) = peers(&[Peer::Thinks]).await;
    let start = Instant::now();
    assert!(matches!(call(&http2(addr), 600).await, Err(UpstreamError::Silent)));
    assert_eq!(start.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_ended_and_one_with_a_call_is_not() {
    let (addr, mut ended) = peers(&[Peer::Answers, Peer::Thinks]).await;
    let http2 = http2(addr);
    assert_eq!(call(&http2, 1).await.unwrap(), 200);
    let start = Instant::now();
    assert_eq!(ended.recv().await, Some(0));
    assert!((60..=70).contains(&start.elapsed().as_secs()));
    assert!(http2.0.pool().connections.is_empty());
    assert!(matches!(call(&http2, 300).await, Err(UpstreamError::Silent)));
    assert!(ended.try_recv().is_err());
}

#[tokio::test]
async fn calls_at_the_same_time_share_the_connection_that_is_being_made() {
    let (addr, _ended) = peers(&[Peer::Answers]).await;
    let http2 = http2(addr);
    let calls = (0..20).map(|_| call(&http2, 60));
    assert!(futures_util::future::join_all(calls).await.iter().all(|status| matches!(status, Ok(200))));
    assert_eq!(http2.0.pool().connections.len(), 1);
}

#[tokio::test]
async fn nobody_there_is_told_to_all_that_wait() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    drop(socket);
    let http2 = http2(addr);
    let calls = (0..5).map(|_| call(&http2, 60));
    let results = futures_util::future::join_all(calls).await;
    assert!(results.iter().all(|result| matches!(result, Err(UpstreamError::Unreachable(_)))), "{results:?}");
}
