//! Routes hold for the hits of their indices, whatever the search asked for.

use super::{MATCH, assert_nothing_left, by_length, database, hit, hits_of, status};
use crate::harness::{Sidecar, json_of};

/// The settings of routes hold for what their indices response.
#[tokio::test]
async fn a_response_from_several_collections_takes_the_strictest_of_their_routes() {
    let one = |index: &str, n: usize| hit(index, &format!("{index}{n}"), "1.0", &"x".repeat(100 * n));
    let mixed: Vec<String> = (1..=6).map(|n| one(if n % 2 == 0 { "legal-1" } else { "wiki" }, n)).collect();
    let routes = "routes: [{ collection: 'legal-*', window: 3, min_score: 0.15 }]\n";
    let mixed_database = database(mixed).await;
    let sidecar = Sidecar::start(mixed_database.addr, by_length().await, "", routes).await;
    for path in ["/_search", "/l*,wiki/_search", "/legal-1,wiki/_search", "/some-alias/_search"] {
        let got = sidecar.post(path, "", MATCH).await;
        let ids = ["wiki3", "legal-12", "legal-14", "wiki5", "legal-16"];
        assert_eq!(
            (status(&got), hits_of(&json_of(&got))),
            ("applied", ids.map(str::to_owned).to_vec()),
            "{path}"
        );
    }
    // Where none of its hits is there, a route that could have been reached says nothing.
    let plain = database((1..=6).map(|n| one("wiki", n)).collect()).await;
    let sidecar = Sidecar::start(plain.addr, by_length().await, "", routes).await;
    let got = sidecar.post("/_search", "", MATCH).await;
    assert_eq!(hits_of(&json_of(&got)).join(","), "wiki6,wiki5,wiki4,wiki3,wiki2,wiki1");
    // An alias of a route's indices is ranked by the route.
    let legal = database((1..=6).map(|n| one("legal-1", n)).collect()).await;
    let sidecar = Sidecar::start(legal.addr, by_length().await, "", routes).await;
    let got = sidecar.post("/some-alias/_search", "", MATCH).await;
    assert_eq!(hits_of(&json_of(&got)).join(","), "legal-13,legal-12,legal-14,legal-15,legal-16");
}

#[tokio::test]
async fn texts_go_to_no_provider_that_one_of_their_routes_does_not_name() {
    let hits = vec![hit("wiki", "a", "2.0", "short"), hit("hr-x", "b", "1.0", "SECRET longer")];
    let database = database(hits).await;
    let routes = "routes: [{ collection: 'hr-*', providers: [lexical] }]\n";
    let sidecar = Sidecar::start(database.addr, by_length().await, "", routes).await;
    let got = sidecar.post("/_search", "", MATCH).await;
    assert_eq!(status(&got), "kept; reason=no_provider");
    assert_nothing_left(&sidecar, "another provider");
}

/// A route of an alias holds for what comes by that name; its indices have to be let in by themselves.
#[tokio::test]
async fn names_of_aliases_count_beside_the_indices_behind_them() {
    let one = |n: usize| hit("hr-1", &format!("h{n}"), "1.0", &"x".repeat(100 * n));
    let database = database((1..=4).map(one).collect()).await;
    let sidecar =
        Sidecar::start(database.addr, by_length().await, "", "routes: [{ collection: staff, window: 2 }]\n")
            .await;
    for (path, order) in
        [("/staff/_search", "h2h1h3h4"), ("/hr-1/_search", "h4h3h2h1"), ("/hr*/_search", "h4h3h2h1")]
    {
        let got = sidecar.post(path, "", MATCH).await;
        assert_eq!(hits_of(&json_of(&got)).join(""), order, "{path}");
    }
    // An alias that is kept out is not asked, and what it may have brought is not read.
    let sidecar = Sidecar::start(database.addr, by_length().await, "collections: ['*', '-staff']", "").await;
    for path in ["/staff/_search", "/staff,wiki/_search"] {
        assert_eq!(status(&sidecar.post(path, "", MATCH).await), "kept; reason=off", "{path}");
    }
    // Letting in an alias lets in no index.
    let sidecar = Sidecar::start(database.addr, by_length().await, "collections: [staff]", "").await;
    assert_eq!(status(&sidecar.post("/staff/_search", "", MATCH).await), "kept; reason=off");
    assert!(sidecar.service.seen().is_empty());
}
