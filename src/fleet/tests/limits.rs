use tokio::time::{Duration, Instant};

use super::{
    Member, TIMEOUT,
    peer::{Act, Peer},
};
use crate::fleet::{Shared, SharedLimit, Wanted};

fn is_script(words: &[Vec<u8>]) -> bool {
    words[0] == b"EVAL"
}

/// Ten calls a minute, and nine units a day.
const WANTED: Wanted =
    Wanted { calls_per_minute: Some(10), amount: 2.0, spend_per_minute: None, spend_per_day: Some(9) };

const GRANTED: &str = "*7\r\n:1\r\n:9\r\n:1700000000\r\n$0\r\n\r\n$1\r\n3\r\n:28333333\r\n:19675\r\n";

#[tokio::test(start_paused = true)]
async fn the_fleet_grants_or_rejects_all_in_one_round_trip_over_one_key() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_script(words) { Act::Say(GRANTED) } else { Act::Serve });
    let Shared::Granted(leave) = member.fleet.take("my cohere", &WANTED).await else { panic!() };
    assert_eq!((leave.calls_left, leave.left_at(28_333_333, 19_675)), (9, (None, Some(3.0))));
    peer.script(
        |words| {
            if is_script(words) { Act::Say("*3\r\n:0\r\n:1500\r\n$4\r\nrate\r\n") } else { Act::Serve }
        },
    );
    let rejected = Shared::Rejected { by: SharedLimit::Rate, retry_in: Duration::from_millis(1500) };
    assert_eq!(member.fleet.take("my cohere", &WANTED).await, rejected);
    let seen = peer.seen("EVAL");
    assert_eq!(seen.len(), 2);
    let words = ["1", "rerankd:l:my%20cohere", "10", "2.0", "", "9"].map(|word| word.as_bytes().to_vec());
    assert_eq!(seen[0][2..], words);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_redis_is_away_after_the_time_out_and_then_at_once() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_script(words) { Act::Hang } else { Act::Serve });
    for n in 0..10 {
        let started = Instant::now();
        assert_eq!(member.fleet.take("c", &WANTED).await, Shared::Away);
        assert_eq!(started.elapsed(), if n < 5 { TIMEOUT } else { Duration::ZERO });
    }
    assert_eq!(member.round_trips("take"), [0.0, 5.0, 0.0, 5.0]);
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
        assert_eq!(member.fleet.take("c", &WANTED).await, Shared::Away, "{said}");
        assert_eq!(member.round_trips("take"), [0.0, 0.0, 1.0, 0.0], "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bill_and_leave_that_was_not_used_are_reported_behind_the_caller() {
    let peer = Peer::new();
    let member = Member::of(&peer).await;
    peer.script(|words| if is_script(words) { Act::Say(GRANTED) } else { Act::Serve });
    let Shared::Granted(leave) = member.fleet.take("c", &WANTED).await else { panic!() };
    member.fleet.give_back(&leave);
    member.fleet.settle(&leave, 1.0);
    member.fleet.flush(Duration::from_secs(1)).await;
    let seen = peer.seen("EVAL");
    assert_eq!(seen[1][2..], ["1", "rerankd:l:c", "1700000000"].map(|word| word.as_bytes().to_vec()));
    assert_eq!(
        seen[2][2..],
        ["1", "rerankd:l:c", "-1.0", "28333333", "19675"].map(|word| word.as_bytes().to_vec())
    );
}
