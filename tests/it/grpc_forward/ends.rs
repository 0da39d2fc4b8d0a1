//! How calls end where not everything goes well: failures on either side, cancellation, the end of connections.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use tokio::sync::Notify;

use super::{HEALTH, REST, SCROLL, before, nowhere, yaml};
use crate::harness::grpc::{Ended, GrpcClient, GrpcServer, Move, framed, headers};
use crate::harness::{End, FakeDatabase, Frames, Program, Wire};

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_database_before_and_within_its_response() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::connect(program.addr).await;
    server.will([Move::Hang]);
    let mut waiting = client.begin(SCROLL, &[]).await;
    waiting.send(framed(0, "m"), true);
    server.until(|seen| seen.last().is_some_and(|call| call.ended == Ended::Well)).await;
    waiting.cancel();
    server.until(|seen| seen[0].ended == Ended::Reset(Reason::CANCEL)).await;

    let mut streaming = client.begin("/a.B/Both", &[]).await;
    streaming.send(framed(0, "m"), false);
    streaming.head().await.unwrap();
    streaming.cancel();
    drop(client);
    server.until(|seen| seen[1].ended == Ended::Reset(Reason::CANCEL)).await;
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn an_unreachable_database_is_unavailable() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let program = Program::start(&yaml(nowhere(), url, "", ""), &[]).await;
    let got = GrpcClient::connect(program.addr).await.call(SCROLL, "m").await;
    let message = got.own_failure("14");
    assert!(message.contains("cannot connect to the upstream (connection_refused)"), "{message}");
}

#[tokio::test]
async fn a_silent_database_is_a_deadline_exceeded_and_a_health_check_waits_only_as_for_a_connection() {
    let server = GrpcServer::start().await;
    let program = before(&server, ", forward_timeout: 100ms", "").await;
    server.will([Move::Hang]);
    let got = GrpcClient::connect(program.addr).await.call(SCROLL, "m").await;
    got.own_failure("4");

    let program = before(&server, ", connect_timeout: 100ms", "").await;
    let client = GrpcClient::connect(program.addr).await;
    for path in [HEALTH, "/grpc.health.v1.Health/Check"] {
        server.will([Move::Hang]);
        client.call(path, "").await.own_failure("4");
        let seen = server.until(|seen| matches!(seen.last().unwrap().ended, Ended::Reset(_))).await;
        assert_eq!(seen.last().unwrap().path, path);
    }
    let mut slow = client.begin(SCROLL, &[]).await;
    server.will([Move::Wait(Arc::default())]);
    slow.send(framed(0, "m"), true);
    server.until(|seen| seen.last().unwrap().path == SCROLL).await;
    assert_eq!(client.call(HEALTH, "").await.code(), "0");
}

#[tokio::test]
async fn where_no_address_is_known_the_message_names_the_setting() {
    let rest = FakeDatabase::answering(REST).await;
    let program = Program::before(rest.addr, "").await;
    let got = GrpcClient::connect(program.addr).await.call(SCROLL, "m").await;
    let message = got.own_failure("12");
    assert!(message.contains("upstream.grpc_url (RERANKD_UPSTREAM__GRPC_URL)"), "{message}");
    assert!(rest.requests_so_far().await.is_empty(), "it is no request for the REST port");
}

#[tokio::test]
async fn a_call_that_is_not_forwarded_is_not_reset_while_its_client_still_sends() {
    let rest = FakeDatabase::answering(REST).await;
    let program = Program::before(rest.addr, "").await;
    let mut client = Frames::connect(program.addr).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SCROLL),
        (":authority", "x"),
        ("content-type", "application/grpc"),
    ];
    client.head(1, &fields.map(|(name, value)| (name.to_owned(), value.to_owned())), false).await;
    client.data(1, &framed(0, "m"), true).await;
    assert_eq!(client.end(1).await, End::ProbeResponse(vec![]));
    // What a reset would come before.
    client.ping().await;
    assert_eq!(client.resets(), 0);
}

#[tokio::test]
async fn a_call_that_the_database_has_not_looked_at_is_made_once_more() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::connect(program.addr).await;
    server.will([Move::Reset(Reason::REFUSED_STREAM), Move::message("then")]);
    assert_eq!(client.call(SCROLL, "m").await.message(), framed(0, "then"));
    server.will([Move::Reset(Reason::REFUSED_STREAM), Move::Reset(Reason::REFUSED_STREAM)]);
    client.call(SCROLL, "m").await.own_failure("14");
    // Looked at, it may have been done: not again.
    server.will([Move::Reset(Reason::INTERNAL_ERROR)]);
    client.call("/qdrant.Points/Upsert", "m").await.own_failure("14");
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn the_end_of_a_connection_to_the_database_fails_no_call() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::connect(program.addr).await;
    for _ in 0..5 {
        server.will([Move::LastOne]);
        let got = client.call(SCROLL, "m").await;
        assert_eq!((got.code(), got.message()), ("0", framed(0, "m").to_vec()));
    }
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn a_call_that_is_on_its_way_when_the_database_ends_the_connection_is_made_on_another_one() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let program = Program::start(&yaml(nowhere(), url, "", ""), &[]).await;
    let client = GrpcClient::connect(program.addr).await;
    let call = client.call(SCROLL, "m");
    let database = async {
        let mut first = Frames::accept(&socket).await;
        first.until_head(1).await;
        first.go_away(0).await;
        let mut second = Frames::accept(&socket).await;
        second.until_head(1).await;
        let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")];
        second.head(1, &fields.map(|(name, value)| (name.to_owned(), value.to_owned())), true).await;
        (first, second)
    };
    let (got, _open) = tokio::join!(call, database);
    assert_eq!(got.code(), "0");
}

#[tokio::test]
async fn a_response_that_breaks_off_ends_as_the_database_ended_it_or_with_a_status() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::connect(program.addr).await;
    for reason in [None, Some(Reason::INTERNAL_ERROR), Some(Reason::CANCEL), Some(Reason::ENHANCE_YOUR_CALM)]
    {
        let go = Arc::new(Notify::new());
        server.will([Move::Begin(framed(0, "part"), go.clone(), reason)]);
        let mut call = client.begin(SCROLL, &[]).await;
        call.send(framed(0, "m"), true);
        call.head().await.unwrap();
        assert_eq!(call.next().await.unwrap().unwrap(), framed(0, "part"));
        go.notify_one();
        let next = call.next().await.map(|next| next.unwrap_err().reason());
        assert_eq!(next, reason.map(Some));
        if reason.is_none() {
            let expected =
                [("grpc-status", "14"), ("grpc-message", "rerankd: the upstream's response broke off")];
            assert_eq!(call.trailers().await, Some(headers(&expected)));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_told_as_a_status() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "limits: { max_headers: 10, body_timeout: 200ms }\n").await;
    let client = GrpcClient::connect(program.addr).await;
    let name = |i: usize| -> &'static str { format!("x-{i}").leak() };
    let many: Vec<_> = (0..20).map(|i| (name(i), "v")).collect();
    client.call_with(SCROLL, &many, framed(0, "m")).await.own_failure("8");
    client.call_with(SCROLL, &[("host", "a b")], framed(0, "m")).await.own_failure("3");
    assert!(server.seen().is_empty());
    server.will([Move::Hang]);
    let mut stalls = client.begin(SCROLL, &[]).await;
    stalls.send(Bytes::from_static(b"\0"), false);
    stalls.got().await.own_failure("4");
    server.until(|seen| matches!(seen[0].ended, Ended::Reset(_))).await;
}

#[tokio::test]
async fn at_the_end_of_the_program_calls_in_flight_finish() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "shutdown: { grace: 60s }\n").await;
    let client = GrpcClient::connect(program.grpc()).await;
    let go = Arc::new(Notify::new());
    server.will([Move::Wait(go.clone())]);
    let mut call = client.begin(SCROLL, &[]).await;
    call.send(framed(0, "m"), true);
    server.until(|seen| seen.first().is_some_and(|call| call.ended == Ended::Well)).await;
    let addr = program.grpc();
    let stopping = tokio::spawn(program.stop());
    Wire::connect(addr).await.until_rejected().await;
    go.notify_one();
    let got = call.got().await;
    assert_eq!((got.code(), got.message()), ("0", framed(0, "late").to_vec()));
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_call_that_crosses_the_end_of_its_connection_is_served() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "shutdown: { grace: 60s }\n").await;
    let mut client = Frames::connect(program.addr).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SCROLL),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    client.head(1, &fields, true).await;
    assert_eq!(client.end(1).await, End::ProbeResponse(vec![]));
    let stopping = tokio::spawn(program.stop());
    // The first of two: none is refused yet, and the ping behind it has not been acknowledged.
    assert_eq!(client.until_go_away().await, 0x7fff_ffff);
    client.head(3, &fields, true).await;
    assert_eq!(client.end(3).await, End::ProbeResponse(vec![]));
    stopping.await.unwrap();
    assert_eq!(server.seen().len(), 2);
}
