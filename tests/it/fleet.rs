//! Several of the program over one Redis, or without it.

use std::{io::Write, time::Duration};

use tempfile::NamedTempFile;

use crate::harness::{FakeRedis, Points, QUERY, Scripted};

/// The later a point comes in the database's order, the better.
async fn service() -> Scripted {
    Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0).await
}

fn secret() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(b"the same for all").unwrap();
    file
}

/// One program, whose Redis is at `redis`.
async fn member(service: &Scripted, secret: &NamedTempFile, redis: &str) -> Points {
    let secret = secret.path().display();
    let cache = format!("cache: {{ secret_file: '{secret}', redis: {{ {redis} }} }}\n");
    Points::before(service.addr, &cache).await
}

fn at(redis: &FakeRedis) -> String {
    format!("url: 'redis://{}', timeout: 5s", redis.addr)
}

async fn connected(member: &Points) {
    // One probe of each connection.
    member.until("rerankd_fleet_round_trips_total{operation=\"probe\",result=\"ok\"}", 2.0).await;
}

#[tokio::test]
async fn what_one_member_has_scored_the_others_do_not_pay_for() {
    let (service, secret, redis) = (service().await, secret(), FakeRedis::start().await);
    let one = member(&service, &secret, &at(&redis)).await;
    let other = member(&service, &secret, &at(&redis)).await;
    connected(&one).await;
    connected(&other).await;

    let first = one.search(QUERY, 10).await;
    assert_eq!(first.header("x-rerank-cache"), Some("0/50"));
    one.until("rerankd_fleet_scores_written_total", 50.0).await;
    let second = other.search(QUERY, 10).await;
    assert_eq!(second.header("x-rerank-cache"), Some("50/50"));
    assert_eq!(second.ids(), first.ids());
    assert_eq!(second.header("x-rerank-status"), Some("applied"));
    assert_eq!(service.seen().len(), 1);

    // What came from Redis is kept here: it is not asked again.
    other.search(QUERY, 10).await;
    assert_eq!(other.metric("rerankd_fleet_round_trips_total{operation=\"get\",result=\"ok\"}").await, 1.0);
}

#[tokio::test]
async fn redis_holds_hashes_and_scores_and_another_secret_finds_nothing() {
    let (service, redis) = (service().await, FakeRedis::start().await);
    let one = member(&service, &secret(), &at(&redis)).await;
    connected(&one).await;
    one.search(QUERY, 10).await;
    one.until("rerankd_fleet_scores_written_total", 50.0).await;
    let held = redis.holds();
    let [(key, value)] = held.as_slice() else { panic!("a query is one key: {held:?}") };
    assert!(key.starts_with("rerankd:q:") && key.len() == 32, "{key}");
    assert_eq!(value.len(), 13 + 50 * 16);

    let other_secret = secret();
    std::fs::write(other_secret.path(), "another").unwrap();
    let stranger = member(&service, &other_secret, &at(&redis)).await;
    connected(&stranger).await;
    assert_eq!(stranger.search(QUERY, 10).await.header("x-rerank-cache"), Some("0/50"));
}

#[tokio::test]
async fn scores_that_wait_are_written_before_the_program_ends() {
    let (service, secret, redis) = (service().await, secret(), FakeRedis::start().await);
    let one = member(&service, &secret, &at(&redis)).await;
    connected(&one).await;
    one.search(QUERY, 10).await;
    // The search does not wait for them, not even until they wait.
    let waiting = async || one.metric("rerankd_fleet_queue_length").await;
    while waiting().await + one.metric("rerankd_fleet_scores_written_total").await < 50.0 {}
    one.program.stop().await;
    assert_eq!(redis.holds().len(), 1);
}

#[tokio::test]
async fn a_redis_that_hangs_or_is_not_there_fails_no_search() {
    let (service, secret, redis) = (service().await, secret(), FakeRedis::start().await);
    let hanging = member(&service, &secret, &format!("url: 'redis://{}', timeout: 500ms", redis.addr)).await;
    connected(&hanging).await;
    redis.hang();
    let gone = member(&service, &secret, "url: 'redis://127.0.0.1:1'").await;
    for n in 0..10 {
        for one in [&hanging, &gone] {
            let found = one.search(&format!("{QUERY} {n}"), 10).await;
            assert_eq!(found.header("x-rerank-status"), Some("applied"));
        }
    }
    let open = "rerankd_fleet_breaker_state{lane=\"reads\"}";
    hanging.until(open, 1.0).await;
    gone.until(open, 1.0).await;
    let timeouts = "rerankd_fleet_round_trips_total{operation=\"get\",result=\"timeout\"}";
    assert_eq!(hanging.metric(timeouts).await, 5.0, "and then nothing more");
}

#[tokio::test]
async fn a_hanging_redis_does_not_keep_the_program_from_ending() {
    let (service, secret, redis) = (service().await, secret(), FakeRedis::start().await);
    let one = member(&service, &secret, &at(&redis)).await;
    connected(&one).await;
    redis.hang();
    let stopped = async {
        one.search(QUERY, 10).await;
        one.program.stop().await;
    };
    // The search waits for its deadline, the end for a second.
    tokio::time::timeout(Duration::from_secs(10), stopped).await.unwrap();
}

#[tokio::test]
async fn where_redis_cannot_count_the_members_own_limits_stand() {
    let (service, secret, redis) = (service().await, secret(), FakeRedis::start().await);
    let member = Points::with(&format!(
        "providers: {{ cohere: {{ base_url: \"http://{}\", max_search_units_per_day: 1 }} }}\n\
         cache: {{ secret_file: '{}', redis: {{ {}, share_limits: true }} }}\n",
        service.addr,
        secret.path().display(),
        at(&redis)
    ))
    .await;
    connected(&member).await;
    assert_eq!(member.search("one", 3).await.status(), "applied");
    member.search("two", 3).await.assert_kept("budget", 3, "spent");
    assert_eq!(service.seen().len(), 1);
}
