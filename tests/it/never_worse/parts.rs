//! Responses of which a part is missing: shards, clusters, time, or single searches of a batch.

use std::sync::atomic::AtomicU64;

use super::*;

type Spoil = fn(&mut Value);

fn cut(response: &mut Value) {
    response["hits"]["hits"].as_array_mut().unwrap().truncate(1);
}

#[tokio::test]
async fn hits_that_only_the_widening_has_lost_come_back() {
    let spoils: [(&str, Spoil); 5] = [
        ("shards", |response| {
            response["_shards"]["failed"] = json!(1);
            cut(response);
        }),
        ("time", |response| {
            response["timed_out"] = json!(true);
            cut(response);
        }),
        ("clusters", |response| {
            response["_clusters"] = json!({"total": 2, "successful": 1, "skipped": 1});
            cut(response);
        }),
        ("partial cluster", |response| {
            response["_clusters"] = json!({"total": 2, "successful": 1, "skipped": 0, "partial": 1});
            cut(response);
        }),
        ("all at once", |response| {
            response["_shards"]["failed"] = json!(1);
            response["timed_out"] = json!(true);
            response["hits"]["hits"] = json!([]);
        }),
    ];
    for search in [Search::Elastic, Search::Msearch] {
        for (name, spoil) in spoils {
            let database = spoiling(spoil).await;
            let sidecar = sidecar(&database).await;
            let (target, body) = search.request();
            let got = sidecar.post(target, "", &body).await;
            assert!(search.ids(&got).iter().all(|ids| *ids == [0, 1, 2]), "{search:?} {name}: {got}");
            assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{search:?} {name}");
            assert_eq!(database.take_seen().len(), 2, "{search:?} {name}");
            let responses =
                if search == Search::Msearch { json_of(&got)["responses"][1].clone() } else { json_of(&got) };
            assert_eq!(
                (&responses["_shards"]["failed"], &responses["timed_out"]),
                (&json!(0), &json!(false)),
                "{name}"
            );
            sidecar.post(target, "", &body).await;
            let seen = database.take_seen();
            assert_eq!((seen.len(), search.size(&seen[0])), (1, 3), "{search:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_shard_that_is_down_anyway_neither_doubles_searches_nor_ends_the_widening() {
    let database = Moody::start(|request| {
        let mut body = elastic_response(&json_of(request));
        body["_shards"]["failed"] = json!(1);
        Act::Say(response(200, JSON, &body.to_string()))
    })
    .await;
    let sidecar = sidecar(&database).await;
    let (target, body) = Search::Elastic.request();
    let sizes =
        || database.take_seen().iter().map(|request| Search::Elastic.size(request)).collect::<Vec<_>>();
    let got = sidecar.post(target, "", &body).await;
    assert_eq!((header(&got, "x-rerank-status"), sizes()), (Some("applied"), vec![50, 3]));
    let got = sidecar.post(target, "", &body).await;
    assert_eq!((header(&got, "x-rerank-status"), sizes()), (Some("applied"), vec![50]));
}

#[tokio::test]
async fn a_success_in_part_stays_one_where_asking_again_fails() {
    let turn = Arc::new(AtomicU64::new(0));
    let database = Moody::start(move |request| {
        if turn.fetch_add(1, SeqCst) > 0 {
            return Act::Say(response(503, JSON, "{}"));
        }
        let mut body = elastic_response(&json_of(request));
        body["_shards"]["failed"] = json!(1);
        Act::Say(response(200, JSON, &body.to_string()))
    })
    .await;
    let sidecar = sidecar(&database).await;
    let (target, body) = Search::Elastic.request();
    let got = sidecar.post(target, "", &body).await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    assert_eq!(json_of(&got)["hits"]["hits"].as_array().map(Vec::len), Some(3));
}

/// A batch of three searches, of which the database rejects the second as long as it is widened.
async fn rejecting_second(status: u16) -> Moody {
    Moody::start(move |request| {
        let lines: Vec<Value> =
            body_of(request).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let one = |pair: &[Value]| match pair[0]["index"] == "b" && pair[1]["size"] != 3 {
            true => json!({"error": {"type": "busy"}, "status": status}),
            false => elastic_response(&pair[1]),
        };
        let responses: Vec<Value> = lines.chunks(2).map(one).collect();
        Act::Say(response(200, JSON, &json!({"took": 1, "responses": responses}).to_string()))
    })
    .await
}

#[tokio::test]
async fn of_a_batch_only_the_search_that_failed_is_asked_again() {
    let search = r#"{"query":{"match":{"body":"zebra"}},"size":3}"#;
    let body = ["a", "b", "c"].map(|index| format!("{{\"index\":\"{index}\"}}\n{search}\n")).concat();
    for status in [400, 408, 413, 429, 500, 502, 503, 504] {
        let database = rejecting_second(status).await;
        let sidecar = sidecar(&database).await;
        let got = sidecar.post("/_msearch", "", &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{status}: {got}");
        let firsts: Vec<String> = (0..3)
            .map(|n| json_of(&got)["responses"][n]["hits"]["hits"][0]["_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(firsts, ["49", "2", "49"], "{status}");
        let length = header(&got, "content-length").unwrap().parse::<usize>().unwrap();
        assert_eq!(length, body_of(&got).len());
        let seen = database.take_seen();
        assert_eq!(body_of(&seen[1]), format!("{{\"index\":\"b\"}}\n{search}\n"), "{status}");
        assert_eq!(seen.len(), 2, "{status}");
        // The others are widened as before.
        sidecar.post("/_msearch", "", &body).await;
        let seen = database.take_seen();
        let sizes: Vec<u64> = body_of(&seen[0])
            .lines()
            .skip(1)
            .step_by(2)
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["size"].as_u64().unwrap())
            .collect();
        assert_eq!((seen.len(), sizes), (1, vec![50, 3, 50]), "{status}");
    }
}

#[tokio::test]
async fn a_search_of_a_batch_that_fails_anyway_is_reported_by_its_own_error() {
    for (status, again) in [(400, true), (403, false), (404, false), (429, true), (500, true), (503, true)] {
        let database = Moody::start(move |request| {
            let lines: Vec<Value> =
                body_of(request).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let one = |pair: &[Value]| match pair[0]["index"] == "b" {
                true => json!({"error": {"type": "busy", "size": pair[1]["size"]}, "status": status}),
                false => elastic_response(&pair[1]),
            };
            let responses: Vec<Value> = lines.chunks(2).map(one).collect();
            Act::Say(response(200, JSON, &json!({"took": 1, "responses": responses}).to_string()))
        })
        .await;
        let sidecar = sidecar(&database).await;
        let search = r#"{"query":{"match":{"body":"zebra"}},"size":3}"#;
        let body = ["a", "b"].map(|index| format!("{{\"index\":\"{index}\"}}\n{search}\n")).concat();
        let got = sidecar.post("/_msearch", "", &body).await;
        assert_eq!(
            header(&got, "x-rerank-status"),
            Some("partial; reason=upstream_error"),
            "{status}: {got}"
        );
        assert_eq!(database.take_seen().len(), if again { 2 } else { 1 }, "{status}");
        let error = &json_of(&got)["responses"][1]["error"];
        assert_eq!(error["size"], if again { 3 } else { 50 }, "{status}");
        sidecar.post("/_msearch", "", &body).await;
        assert!(database.take_seen()[0].contains("\"size\":50"), "nothing was learned");
    }
}
