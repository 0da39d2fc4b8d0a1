use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    Member, QUERY, TIMEOUT, id,
    peer::{Act, Peer},
    some, until,
};
use crate::fleet::{Failure, keys::Keys, metrics::Operation, value};

fn is_read(words: &[Vec<u8>]) -> bool {
    words[0] == b"LRANGE"
}

/// Scores of three ids, of which the second is known, and the milliseconds it took.
async fn ask(member: &Member) -> (Vec<Option<f32>>, u128) {
    let started = Instant::now();
    let scores = member.fleet.scores(&QUERY, &[id(1), id(2), id(3)]).await;
    (scores, started.elapsed().as_millis())
}

fn known(peer: &Peer) {
    stored(peer, value::encode(&QUERY, u32::MAX, &[(id(2), 0.25)]));
}

fn stored(peer: &Peer, chunk: Vec<u8>) {
    let key = Keys::new("rerankd").query(&QUERY).into_bytes();
    peer.lists.lock().unwrap().entry(key).or_default().push(chunk);
}

#[tokio::test(start_paused = true)]
async fn what_one_member_has_written_another_reads_in_one_round_trip() {
    let peer = Peer::new();
    let (one, other) = (Member::of(&peer).await, Member::of(&peer).await);
    one.fleet.remember(QUERY, some(50));
    one.fleet.flush(Duration::from_secs(1)).await;
    let ids: Vec<_> = some(60).into_iter().map(|(id, _)| id).collect();
    let scores = other.fleet.scores(&QUERY, &ids).await;
    let mut expected: Vec<_> = some(50).into_iter().map(|(_, score)| Some(score)).collect();
    expected.resize(60, None);
    assert_eq!(scores, expected);
    assert_eq!(peer.seen("LRANGE").len(), 1);
    assert_eq!(other.metric("scores_total{result=\"found\"}"), 50.0);
    assert_eq!(other.metric("scores_total{result=\"missing\"}"), 10.0);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_redis_costs_the_time_out_until_the_breaker_opens_and_then_nothing() {
    let peer = Peer::new();
    known(&peer);
    let member = Member::of(&peer).await;
    assert_eq!(ask(&member).await, (vec![None, Some(0.25), None], 0));
    peer.script(|words| if is_read(words) { Act::Hang } else { Act::Serve });
    for _ in 0..5 {
        assert_eq!(ask(&member).await, (vec![None; 3], TIMEOUT.as_millis()));
    }
    for _ in 0..100 {
        assert_eq!(ask(&member).await, (vec![None; 3], 0));
    }
    assert_eq!(member.round_trips("get"), [1.0, 5.0, 0.0, 100.0]);
    assert_eq!((member.breaker("reads"), member.breaker("writes")), (2.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_its_own_finds_redis_again_on_a_new_connection() {
    let peer = Peer::new();
    known(&peer);
    let member = Member::of(&peer).await;
    peer.script(|words| if is_read(words) { Act::Hang } else { Act::Serve });
    for _ in 0..5 {
        ask(&member).await;
    }
    let dialled = peer.times_dialled();
    sleep(Duration::from_secs(9)).await;
    // After one second, two and four, and up to a tenth more each time.
    assert_eq!(peer.times_dialled(), dialled + 3);
    assert_eq!(ask(&member).await, (vec![None; 3], 0));
    peer.script(|_| Act::Serve);
    sleep(Duration::from_secs(8)).await;
    assert_eq!(ask(&member).await, (vec![None, Some(0.25), None], 0));
    assert_eq!(member.breaker("reads"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_late_response_is_a_miss_and_never_taken_for_the_next_one() {
    let peer = Peer::new();
    known(&peer);
    let member = Member::of(&peer).await;
    peer.script(|words| if is_read(words) { Act::Late(TIMEOUT * 2) } else { Act::Serve });
    assert_eq!(ask(&member).await, (vec![None; 3], 20));
    peer.script(|_| Act::Serve);
    // Its response waits behind the late one, and has another number of keys.
    assert_eq!(member.fleet.scores(&QUERY, &[id(9), id(2)]).await, [None, None]);
    sleep(TIMEOUT).await;
    assert_eq!(member.fleet.scores(&QUERY, &[id(9), id(2)]).await, [None, Some(0.25)]);
}

#[tokio::test(start_paused = true)]
async fn whatever_redis_says_instead_is_a_miss_at_once() {
    for (said, dials_again) in [
        ("-LOADING Redis is loading the dataset in memory\r\n", false),
        ("-NOPERM this user has no permissions to run the 'mget' command\r\n", false),
        ("-CLUSTERDOWN The cluster is down\r\n", false),
        ("-MASTERDOWN Link with MASTER is down\r\n", false),
        ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", false),
        ("-READONLY You can't write against a read only replica.\r\n", false),
        ("-BUSY Redis is busy running a script\r\n", false),
        ("-NOAUTH Authentication required.\r\n", true),
        ("+OK\r\n", true),
        (":3\r\n", true),
        ("*-1\r\n", true),
        ("$5\r\nhello\r\n", true),
        ("*2\r\n$-1\r\n$-1\r\n", true),
        ("*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n", true),
        ("*3\r\n:1\r\n:2\r\n:3\r\n", true),
        ("*3\r\n$-1\r\n-ERR x\r\n$-1\r\n", false),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", true),
        ("\0\u{1}\u{2}\r\n", true),
        ("*99999999999999999999\r\n", true),
    ] {
        let peer = Peer::new();
        let member = Member::of(&peer).await;
        peer.script(move |words| if is_read(words) { Act::Say(said) } else { Act::Serve });
        let dialled = peer.times_dialled();
        assert_eq!(ask(&member).await, (vec![None; 3], 0), "{said}");
        assert_eq!(member.round_trips("get"), [0.0, 0.0, 1.0, 0.0], "{said}");
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.times_dialled() > dialled, dials_again, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_that_do_not_belong_to_the_query_are_counted_and_have_no_scores() {
    let peer = Peer::new();
    let mut other_version = value::encode(&QUERY, u32::MAX, &[(id(3), 0.5)]);
    other_version[0] = 1;
    stored(&peer, value::encode(&[8; 16], u32::MAX, &[(id(2), 0.5)]));
    stored(&peer, b"0.5".to_vec());
    stored(&peer, other_version);
    let member = Member::of(&peer).await;
    assert_eq!(ask(&member).await.0, [None; 3]);
    assert_eq!(member.metric("scores_total{result=\"damaged\"}"), 3.0);
    assert_eq!(member.round_trips("get")[0], 1.0, "Redis itself is well");
}

/// Ends the connection the first `times` that `ends` says so.
fn close_at_first(peer: &Peer, times: usize, ends: fn(&[Vec<u8>]) -> bool) {
    let left = AtomicUsize::new(times);
    peer.script(move |words| {
        let close = ends(words) && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if close { Act::Close } else { Act::Serve }
    });
}

fn is_search(words: &[Vec<u8>]) -> bool {
    is_read(words) && words[1].windows(3).any(|part| part == b":q:")
}

#[tokio::test(start_paused = true)]
async fn a_search_that_finds_its_connection_ended_asks_once_more_on_a_new_one() {
    let peer = Peer::new();
    known(&peer);
    let member = Member::of(&peer).await;
    close_at_first(&peer, 1, is_search);
    assert_eq!(ask(&member).await, (vec![None, Some(0.25), None], 0));
    close_at_first(&peer, 2, is_search);
    assert_eq!(ask(&member).await, (vec![None; 3], 0));
    until(|| member.fleet.reads.is_usable()).await;
    assert_eq!(ask(&member).await, (vec![None, Some(0.25), None], 0));
    assert_eq!((member.round_trips("get"), member.breaker("reads")), ([2.0, 0.0, 3.0, 0.0], 0.0));
}

#[tokio::test(start_paused = true)]
async fn what_a_call_on_the_old_connection_says_is_not_held_against_the_new_one() {
    let member = Member::of(&Peer::new()).await;
    let reads = &member.fleet.reads;
    let calls = [(); 10].map(|()| reads.enter(Operation::Get).unwrap());
    for call in calls {
        call.end(Some(Failure::Unreachable));
        until(|| reads.is_usable()).await;
    }
    assert_eq!((member.breaker("reads"), member.round_trips("probe")[0]), (0.0, 3.0));
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_does_not_come_costs_the_time_out_once() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_search(words) { Act::Close } else { Act::Hang });
    assert_eq!(ask(&member).await, (vec![None; 3], TIMEOUT.as_millis()));
    for _ in 0..10 {
        assert_eq!(ask(&member).await, (vec![None; 3], 0));
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(member.breaker("reads"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_no_ids() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    assert!(member.fleet.scores(&QUERY, &[]).await.is_empty());
    assert_eq!(member.round_trips("get"), [0.0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_changes_once_for_each_outage() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    let changes =
        |state: &str| member.metric(&format!("breaker_changes_total{{lane=\"reads\",state=\"{state}\"}}"));
    assert_eq!((changes("open"), changes("closed")), (0.0, 0.0));
    for outage in 1..4 {
        peer.script(|words| if is_read(words) { Act::Hang } else { Act::Serve });
        for _ in 0..20 {
            ask(&member).await;
        }
        sleep(Duration::from_secs(40)).await;
        assert_eq!((changes("open"), changes("closed")), (f64::from(outage), f64::from(outage - 1)));
        peer.script(|_| Act::Serve);
        sleep(Duration::from_secs(40)).await;
        assert_eq!((changes("open"), changes("closed")), (f64::from(outage), f64::from(outage)));
    }
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_after_a_long_wait_count_and_hasty_ones_do_not() {
    let peer = Peer::new();
    let member = Member::waiting(&peer, Duration::from_secs(5));
    member.fleet.connect();
    member.connected().await;
    peer.script(|words| if is_read(words) { Act::Hang } else { Act::Serve });
    let leave_after = async |wait| {
        for _ in 0..10 {
            let _ = timeout(wait, member.fleet.scores(&QUERY, &[id(1)])).await;
        }
        member.breaker("reads")
    };
    assert_eq!(leave_after(Duration::from_millis(19)).await, 0.0);
    assert_eq!(leave_after(Duration::from_millis(20)).await, 2.0);
}

#[tokio::test(start_paused = true)]
async fn before_it_connects_everything_is_a_miss_and_it_connects_once() {
    let peer = Peer::new();
    known(&peer);
    let member = Member::unconnected(&peer);
    assert_eq!(ask(&member).await, (vec![None; 3], 0));
    for _ in 0..3 {
        member.fleet.connect();
    }
    member.connected().await;
    assert_eq!(ask(&member).await, (vec![None, Some(0.25), None], 0));
    assert_eq!(peer.times_dialled(), 2);
}

#[test]
fn outside_a_runtime_it_does_not_connect() {
    let peer = Peer::new();
    let member = Member::unconnected(&peer);
    member.fleet.connect();
    assert!(!member.fleet.reads.is_usable());
}

#[tokio::test(start_paused = true)]
async fn debug_output_shows_no_login() {
    let member = Member::of(&Peer::new()).await;
    let shown = format!("{:?} {:?}", member.fleet, super::settings("redis://app:s3cret@cache"));
    assert!(!shown.contains("s3cret") && !shown.contains("app"), "{shown}");
}
