use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Member, QUERY, id,
    peer::{Act, Peer},
    some, until,
};
use crate::fleet::{
    Failure,
    keys::Keys,
    purpose::Purpose,
    value::{MOST_CHUNKS, MOST_SCORES},
    writer::{BATCH, QUEUE},
};

fn is_write(words: &[Vec<u8>]) -> bool {
    words[0] == b"RPUSH"
}

fn dropped(member: &Member, reason: &str) -> f64 {
    member.metric(&format!("writes_dropped_total{{reason=\"{reason}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn scores_go_out_in_batches_behind_the_caller_with_a_jittered_ttl() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    let started = Instant::now();
    for n in 0..12 {
        member.fleet.remember([n; 16], some(50));
    }
    assert_eq!(member.metric("queue_length"), 600.0);
    member.fleet.flush(Duration::from_secs(1)).await;
    assert!(started.elapsed() < Duration::from_millis(10));
    assert_eq!(member.round_trips("set"), [2.0, 0.0, 0.0, 0.0], "550 and 50");
    assert_eq!((member.metric("scores_written_total"), member.metric("queue_length")), (600.0, 0.0));
    let day = 24 * 60 * 60 * 1000;
    let ttl = |words: &Vec<Vec<u8>>| String::from_utf8(words[2].clone()).unwrap().parse().unwrap();
    let ttls: Vec<i64> = peer.seen("PEXPIRE").iter().map(ttl).collect();
    assert_eq!((ttls.len(), peer.seen("RPUSH").len()), (12, 12), "a query is one key");
    assert!(ttls.iter().all(|ttl| (day * 9 / 10..=day * 11 / 10).contains(ttl)));
    assert!(ttls.iter().max().unwrap() - ttls.iter().min().unwrap() > day / 50, "spread");
}

#[tokio::test(start_paused = true)]
async fn scores_that_are_no_numbers_are_not_written() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    member.fleet.remember(QUERY, vec![(id(1), f32::NAN), (id(2), f32::INFINITY), (id(3), 0.5)]);
    member.fleet.flush(Duration::from_secs(1)).await;
    assert_eq!(member.metric("scores_written_total"), 1.0);
    assert_eq!(member.fleet.scores(&QUERY, &[id(1), id(2), id(3)]).await, [None, None, Some(0.5)]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_finds_its_connection_ended_is_written_on_a_new_one() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    let ended = std::sync::atomic::AtomicBool::new(false);
    peer.script(move |words| {
        let first = is_write(words) && !ended.swap(true, std::sync::atomic::Ordering::SeqCst);
        if first { Act::Close } else { Act::Serve }
    });
    member.fleet.remember(QUERY, some(20));
    member.fleet.flush(Duration::from_secs(1)).await;
    assert_eq!((member.metric("scores_written_total"), dropped(&member, "failed")), (20.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_full_redis_is_left_alone_by_writes_only() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    member.fleet.remember(QUERY, some(1));
    member.fleet.flush(Duration::from_secs(1)).await;
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    peer.script(move |words| if is_write(words) { Act::Say(oom) } else { Act::Serve });
    for _ in 0..8 {
        member.fleet.remember(QUERY, some(2));
        member.fleet.flush(Duration::from_secs(1)).await;
    }
    assert_eq!((member.breaker("reads"), member.breaker("writes")), (0.0, 2.0));
    assert_eq!((dropped(&member, "failed"), dropped(&member, "away")), (10.0, 6.0));
    assert_eq!(member.fleet.scores(&QUERY, &[id(1)]).await, [Some(0.01)]);
    peer.script(|_| Act::Serve);
    sleep(Duration::from_secs(2)).await;
    member.fleet.remember(QUERY, some(2));
    member.fleet.flush(Duration::from_secs(1)).await;
    assert_eq!(member.fleet.scores(&QUERY, &[id(2)]).await, [Some(0.02)]);
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_takes_no_writes_is_connected_to_anew() {
    for said in ["-READONLY You can't write against a read only replica.\r\n", "-MISCONF Errors writing\r\n"]
    {
        let peer = Peer::new();
        let member = Member::of(&peer).await;
        peer.script(move |words| if is_write(words) { Act::Say(said) } else { Act::Serve });
        for _ in 0..5 {
            member.fleet.remember(QUERY, some(1));
            member.fleet.flush(Duration::from_secs(1)).await;
        }
        assert_eq!(member.breaker("writes"), 2.0, "{said}");
        let dialled = peer.times_dialled();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(peer.times_dialled(), dialled + 1, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_refused_says_why_its_first_command_was() {
    for (said, failure) in [
        ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", Failure::Full),
        ("-READONLY You can't write against a read only replica.\r\n", Failure::ReadOnly),
        ("-MISCONF Errors writing\r\n", Failure::ReadOnly),
        ("-NOPERM User app has no permissions to run the 'rpush' command\r\n", Failure::Forbidden),
        ("-NOAUTH Authentication required.\r\n", Failure::Login),
        ("-LOADING Redis is loading the dataset in memory\r\n", Failure::Loading),
        ("-ERR unknown command 'RPUSH'\r\n", Failure::Rejected),
    ] {
        let peer = Peer::new();
        peer.script(move |words| if is_write(words) { Act::Say(said) } else { Act::Serve });
        let connection = peer.dial()().await.unwrap_or_else(|failure| panic!("{}", failure.as_str()));
        let until = Instant::now() + Duration::from_secs(1);
        let probed = Purpose::Writes.probe(&connection, &Keys::new("rerankd"), until).await;
        assert_eq!(probed, Err(failure), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_what_it_cannot_hold_is_counted() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_write(words) { Act::Hang } else { Act::Serve });
    let over = 100;
    let scores = |count| (0..count).map(|_| (id(1), 0.5)).collect();
    member.fleet.remember(QUERY, scores(QUEUE + over));
    assert_eq!(dropped(&member, "full"), over as f64);
    until(|| member.metric("queue_length") < QUEUE as f64).await;
    assert_eq!(member.metric("queue_length"), (QUEUE - BATCH) as f64);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_redis_holds_up_neither_reads_nor_the_end_of_the_program() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_write(words) { Act::Hang } else { Act::Serve });
    member.fleet.remember(QUERY, some(3));
    sleep(Duration::from_millis(10)).await;
    let started = Instant::now();
    assert_eq!(member.fleet.scores(&QUERY, &[id(1)]).await, [None]);
    assert_eq!(started.elapsed(), Duration::ZERO);
    member.fleet.remember(QUERY, some(3));
    member.fleet.flush(Duration::from_millis(100)).await;
    assert_eq!(started.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_scores_are_dropped_at_once() {
    let peer = Peer::new();
    peer.script(|_| Act::Close);
    let member = Member::of_broken(&peer);
    until(|| member.breaker("writes") == 2.0).await;
    member.fleet.remember(QUERY, some(7));
    assert_eq!((dropped(&member, "away"), member.metric("queue_length")), (7.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn what_two_members_add_to_one_query_at_once_is_all_kept() {
    let peer = Peer::new();
    let (one, other) = (Member::of(&peer).await, Member::of(&peer).await);
    let scores = some(40);
    one.fleet.remember(QUERY, scores[..25].to_vec());
    other.fleet.remember(QUERY, scores[15..].to_vec());
    let second = Duration::from_secs(1);
    tokio::join!(one.fleet.flush(second), other.fleet.flush(second));
    let ids: Vec<_> = scores.iter().map(|(id, _)| *id).collect();
    let expected: Vec<_> = scores.iter().map(|(_, score)| Some(*score)).collect();
    assert_eq!(one.fleet.scores(&QUERY, &ids).await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_redis_keeps_of_a_query_is_bounded_and_the_oldest_goes() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    for n in 0..=u8::try_from(MOST_CHUNKS).unwrap() {
        member.fleet.remember(QUERY, vec![(id(n), 0.5)]);
    }
    member.fleet.flush(Duration::from_secs(1)).await;
    assert_eq!(peer.lists.lock().unwrap().values().map(Vec::len).max(), Some(MOST_CHUNKS));
    assert_eq!(member.fleet.scores(&QUERY, &[id(0), id(1)]).await, [None, Some(0.5)]);
    member.fleet.remember([1; 16], vec![(id(1), 0.5); MOST_SCORES * 2 + 1]);
    member.fleet.flush(Duration::from_secs(1)).await;
    let row = 16;
    assert!(peer.lists.lock().unwrap().values().flatten().all(|chunk| chunk.len() <= 13 + MOST_SCORES * row));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_never_without_a_time_to_live() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if words[0] == b"PEXPIRE" { Act::Close } else { Act::Serve });
    member.fleet.remember(QUERY, some(5));
    member.fleet.flush(Duration::from_secs(1)).await;
    let is_query = |key: &Vec<u8>| key.windows(3).any(|part| part == b":q:");
    assert!(!peer.lists.lock().unwrap().keys().any(is_query), "all of the transaction or nothing");
}
