use tokio::time::{Duration, Instant};

use super::{
    Member, TIMEOUT,
    peer::{Act, Peer},
};
use crate::fleet::Shared;

fn is_script(words: &[Vec<u8>]) -> bool {
    words[0] == b"EVAL"
}

#[tokio::test(start_paused = true)]
async fn the_fleet_grants_or_refuses_in_one_round_trip_over_one_key() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(
        |words| if is_script(words) { Act::Say("*3\r\n:1\r\n:9\r\n:1700000000\r\n") } else { Act::Serve },
    );
    let Shared::Granted(token) = member.fleet.take_rate("my cohere", 10).await else { panic!() };
    assert_eq!(token.left, 9);
    peer.script(|words| if is_script(words) { Act::Say("*2\r\n:0\r\n:1500\r\n") } else { Act::Serve });
    let refused = Shared::Refused { retry_in: Duration::from_millis(1500) };
    assert_eq!(member.fleet.take_rate("my cohere", 10).await, refused);
    assert!(matches!(member.fleet.take_spend("c", 1.0, None, Some(5)).await, Shared::Refused { .. }));
    let seen = peer.seen("EVAL");
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0][2..], ["1", "rerankd:r:my%20cohere", "10"].map(|word| word.as_bytes().to_vec()));
    assert_eq!(seen[2][2..], ["1", "rerankd:b:c", "1.0", "", "5"].map(|word| word.as_bytes().to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_redis_is_away_after_the_time_out_and_then_at_once() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_script(words) { Act::Hang } else { Act::Serve });
    for n in 0..10 {
        let started = Instant::now();
        assert_eq!(member.fleet.take_rate("c", 10).await, Shared::Away);
        assert_eq!(started.elapsed(), if n < 5 { TIMEOUT } else { Duration::ZERO });
    }
    assert_eq!(member.fleet.take_spend("c", 1.0, None, Some(5)).await, Shared::Away);
    assert_eq!(
        (member.round_trips("rate"), member.round_trips("spend")),
        ([0.0, 5.0, 0.0, 5.0], [0.0, 0.0, 0.0, 1.0])
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_redis_says_instead_is_away() {
    for said in [
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-NOSCRIPT No matching script.\r\n",
        "-NOPERM this user has no permissions to run the 'eval' command\r\n",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        "+OK\r\n",
        "*3\r\n:2\r\n:1\r\n:1\r\n",
        "what?\r\n",
    ] {
        let peer = Peer::new();
        let member = Member::of(&peer).await;
        peer.script(move |words| if is_script(words) { Act::Say(said) } else { Act::Serve });
        assert_eq!(member.fleet.take_rate("c", 10).await, Shared::Away, "{said}");
        assert_eq!(member.round_trips("rate"), [0.0, 0.0, 1.0, 0.0], "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bill_and_leave_that_was_not_used_are_told_behind_the_caller() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| match words.get(1) {
        Some(text) if text.windows(10).any(|part| part == b"What is sp") => {
            Act::Say("*5\r\n:1\r\n$0\r\n\r\n$1\r\n3\r\n:28333333\r\n:19675\r\n")
        }
        _ if is_script(words) => Act::Say("*3\r\n:1\r\n:9\r\n:1700000000\r\n"),
        _ => Act::Serve,
    });
    let Shared::Granted(token) = member.fleet.take_rate("c", 10).await else { panic!() };
    let Shared::Granted(reservation) = member.fleet.take_spend("c", 2.0, None, Some(5)).await else {
        panic!()
    };
    assert_eq!((reservation.left_in_minute, reservation.left_in_day), (None, Some(3.0)));
    member.fleet.give_back(token);
    member.fleet.settle(reservation, 1.0);
    member.fleet.flush(Duration::from_secs(1)).await;
    let seen = peer.seen("EVAL");
    assert_eq!(seen[2][2..], ["1", "rerankd:r:c", "1700000000"].map(|word| word.as_bytes().to_vec()));
    assert_eq!(
        seen[3][2..],
        ["1", "rerankd:b:c", "-1.0", "28333333", "19675"].map(|word| word.as_bytes().to_vec())
    );
}
