//! Requests that are wrong in every way we could think of. Each reaches the database unchanged, less what is the
//! proxy's own, and the database's response comes back as it was: the database judges, not the proxy.

use serde_json::json;

use crate::harness::{
    RawServer, Scripted, Sidecar, body_of, gzip, header, json_of, request, response, whole,
};

const JSON: &str = "application/json";
const QUERY: &str = "/collections/docs/points/query";
const BATCH: &str = "/collections/docs/points/query/batch";
const SEARCH: &str = "/a/_search";
const MSEARCH: &str = "/a/_msearch";
const TEXT: &str = "x-rerank-query: zebra crossing\r\n";
/// The database's word on all of it.
const REFUSAL: &str = "{ \"error\" : \"no\" }";

async fn setup(limits: &str) -> (RawServer, Sidecar) {
    let rejection = response(400, JSON, REFUSAL);
    let database = RawServer::answering(rejection).await;
    let service = Scripted::scoring(|_| 0.5).await;
    let sidecar = Sidecar::start(database.addr, service, "", limits).await;
    (database, sidecar)
}

/// Sends the body, which the database has to get as `forwarded`, and the client the database's response.
async fn judged(
    setup: &(RawServer, Sidecar),
    target: &str,
    headers: &str,
    body: &[u8],
    forwarded: &[u8],
    reason: &str,
) {
    let (database, sidecar) = setup;
    let before = database.seen().len();
    let got = String::from_utf8(sidecar.raw(request(target, headers, body)).await).unwrap();
    let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
    assert!(got.starts_with("HTTP/1.1 400 "), "{shown}: {got}");
    assert_eq!(body_of(&got), REFUSAL, "{shown}");
    assert_eq!(
        header(&got, "x-rerank-status"),
        Some(format!("kept; reason={reason}").as_str()),
        "{target} {shown}"
    );
    assert_eq!(database.seen().len(), before + 1, "{shown}");
    assert_eq!(database.last_body(), forwarded, "{shown}");
    let head = String::from_utf8_lossy(database.seen().last().unwrap()).to_ascii_lowercase();
    assert!(head.starts_with(&format!("post {} ", target.to_ascii_lowercase())), "{head}");
    assert!(!head.contains("x-rerank"), "{head}");
    assert!(sidecar.service.seen().is_empty(), "{shown}");
}

#[tokio::test]
async fn malformed_json_is_the_databases_to_reject() {
    let setup = setup("").await;
    let shared: [&[u8]; 10] = [
        b"{",
        b"}",
        b"{\"query\":[1]",
        b"{\"query\":[1]}}",
        b"{\"query\":[1]} trailing",
        b"{'query':[1]}",
        b"{\"query\":[1],}",
        b"\xef\xbb\xbf{\"query\":[1]}",
        b"{\"query\":\"\xff\xfe\"}",
        b"nul",
    ];
    for target in
        [QUERY, BATCH, "/collections/docs/points/query/groups", "/collections/docs/points/search", SEARCH]
    {
        for body in shared {
            judged(&setup, target, TEXT, body, body, "malformed").await;
        }
    }
    judged(&setup, QUERY, TEXT, b"", b"", "malformed").await;
    for body in [
        "{}\n{\"query\":\n",
        "{}\n{}",
        "{}\n",
        "\n",
        "{}\n{}\n{}\n",
        "{\n{}\n",
        "{}\n{\"size\":1,\"size\":2}\n",
    ] {
        judged(&setup, MSEARCH, TEXT, body.as_bytes(), body.as_bytes(), "malformed").await;
    }
    for target in ["/a/_search?q=%zz", "/a/_search?size=%4", "/a/_search?q=%ff"] {
        judged(&setup, target, TEXT, b"{}", b"{}", "malformed").await;
    }
}

#[tokio::test]
async fn values_of_a_wrong_type_are_the_databases_to_reject() {
    let setup = setup("").await;
    for (target, body) in [
        (QUERY, "[]"),
        (QUERY, "7"),
        (QUERY, "null"),
        (QUERY, "\"query\""),
        (QUERY, r#"{"query":true}"#),
        (QUERY, r#"{"query":[1],"prefetch":7}"#),
        (QUERY, r#"{"query":[1],"prefetch":[[]]}"#),
        (QUERY, r#"{"query":[1],"limit":3,"limit":4}"#),
        (BATCH, r#"{"searches":{}}"#),
        (BATCH, r#"{"searches":[7]}"#),
        (BATCH, "{}"),
        (SEARCH, "[]"),
        (SEARCH, "7"),
        (SEARCH, r#"{"size":1,"size":2}"#),
        (SEARCH, r#"{"knn":{"k":"three"}}"#),
        (MSEARCH, "{\"index\":7}\n{}\n"),
        (MSEARCH, "{}\n[]\n"),
    ] {
        judged(&setup, target, TEXT, body.as_bytes(), body.as_bytes(), "malformed").await;
    }
}

#[tokio::test]
async fn limits_and_offsets_that_are_none_are_the_databases_to_reject() {
    let setup = setup("").await;
    for value in
        ["-1", "-9223372036854775808", "18446744073709551616", "2.5", "\"3\"", "\"x\"", "[]", "{}", "true"]
    {
        for name in ["limit", "offset"] {
            let body = format!(r#"{{"query":[1],"{name}":{value}}}"#);
            judged(&setup, QUERY, TEXT, body.as_bytes(), body.as_bytes(), "malformed").await;
        }
        // Elasticsearch reads numbers that are written as text.
        if value == "\"3\"" {
            continue;
        }
        for name in ["size", "from"] {
            let body = format!(r#"{{"query":{{"match":{{"a":"x"}}}},"{name}":{value}}}"#);
            judged(&setup, SEARCH, "", body.as_bytes(), body.as_bytes(), "malformed").await;
        }
        let body = format!("{{}}\n{{\"query\":{{\"match\":{{\"a\":\"x\"}}}},\"size\":{value}}}\n");
        judged(&setup, MSEARCH, "", body.as_bytes(), body.as_bytes(), "malformed").await;
    }
    for value in ["-1", "x", "", "2.5", "18446744073709551616"] {
        for name in ["size", "from"] {
            let target = format!("{SEARCH}?{name}={value}");
            judged(&setup, &target, TEXT, b"{}", b"{}", "malformed").await;
        }
    }
}

#[tokio::test]
async fn no_hits_asked_for_is_nothing_to_rank() {
    let setup = setup("").await;
    for (target, body) in [
        (QUERY, r#"{"query":[1],"limit":0}"#),
        ("/collections/docs/points/query/groups", r#"{"query":[1],"group_by":"a","group_size":0}"#),
        (SEARCH, r#"{"query":{"match":{"a":"x"}},"size":0}"#),
        ("/a/_search?size=0", r#"{"query":{"match":{"a":"x"}}}"#),
    ] {
        judged(&setup, target, TEXT, body.as_bytes(), body.as_bytes(), "not_ranked").await;
    }
}

#[tokio::test]
async fn an_offset_past_every_window_is_forwarded() {
    let setup = setup("").await;
    let body = format!(r#"{{"query":[1],"offset":{}}}"#, u64::MAX);
    judged(&setup, QUERY, TEXT, body.as_bytes(), body.as_bytes(), "past_window").await;
    let body = format!(r#"{{"query":{{"match":{{"a":"x"}}}},"from":{}}}"#, u64::MAX);
    judged(&setup, SEARCH, TEXT, body.as_bytes(), body.as_bytes(), "past_window").await;
}

#[tokio::test]
async fn a_huge_limit_stays_as_it_is_and_its_first_hits_are_reranked() {
    let points: Vec<_> =
        (0..3).map(|id| json!({"id": id, "score": 0.5, "payload": {"text": format!("text {id}")}})).collect();
    let found = response(200, JSON, &json!({"result": {"points": points}}).to_string());
    let database = RawServer::answering(found).await;
    let last_best = |text: &str| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 10.0;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(last_best).await, "", "").await;
    let body = format!(r#"{{"query":[1],"limit":{},"with_payload":true}}"#, u64::MAX);
    let got = sidecar.post(QUERY, TEXT, &body).await;
    assert_eq!(database.last_body(), body.as_bytes());
    let ids: Vec<u64> = json_of(&got)["result"]["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [2, 1, 0]);

    let setup = setup("").await;
    let body = r#"{"query":{"match":{"a":"x"}},"size":10001}"#;
    judged(&setup, SEARCH, TEXT, body.as_bytes(), body.as_bytes(), "upstream_error").await;
}

#[tokio::test]
async fn own_members_of_a_wrong_type_go_and_the_rest_is_forwarded() {
    let setup = setup("").await;
    for own in [
        "7",
        "\"off\"",
        "[]",
        r#"{"query":7}"#,
        r#"{"window":-1}"#,
        r#"{"window":"all"}"#,
        r#"{"min_score":"high"}"#,
        r#"{"fields":{}}"#,
        r#"{"deadline":"soon"}"#,
        r#"{"enabled":1}"#,
    ] {
        let body = format!(r#"{{"query":[1],"rerank":{own},"limit":3}}"#);
        judged(&setup, QUERY, TEXT, body.as_bytes(), br#"{"query":[1],"limit":3}"#, "malformed").await;
        for body in
            [format!(r#"{{"rerank":{own},"size":3}}"#), format!(r#"{{"ext":{{"rerank":{own}}},"size":3}}"#)]
        {
            judged(&setup, SEARCH, TEXT, body.as_bytes(), br#"{"size":3}"#, "malformed").await;
        }
    }
}

#[tokio::test]
async fn own_headers_that_say_nothing_are_reported_and_go() {
    let setup = setup("").await;
    let unsorted = "x-rerank-window: -3\r\nx-rerank-min-score: NaN\r\nx-rerank-deadline: soon\r\n\
         x-rerank-fields: ,\r\nx-rerank-unheard-of: 1\r\n";
    let reported = "no_query; ignored=x-rerank-window,x-rerank-min-score,x-rerank-deadline,x-rerank-fields,\
                x-rerank-unheard-of";
    judged(&setup, QUERY, unsorted, br#"{"query":[1]}"#, br#"{"query":[1]}"#, reported).await;
    judged(&setup, SEARCH, unsorted, b"{}", b"{}", reported).await;
    // These may say that nothing is to be sent.
    for (header, name) in [("x-rerank: maybe", "x-rerank"), ("x-rerank-vector: a,b", "x-rerank-vector")] {
        let (header, reported) = (format!("{TEXT}{header}\r\n"), format!("malformed; ignored={name}"));
        judged(&setup, QUERY, &header, br#"{"query":[1]}"#, br#"{"query":[1]}"#, &reported).await;
        judged(&setup, SEARCH, &header, b"{}", b"{}", &reported).await;
    }
}

#[tokio::test]
async fn header_values_that_are_not_utf_8_pass() {
    let (database, sidecar) = setup("").await;
    for target in [QUERY, SEARCH] {
        let mut raw = format!("POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").into_bytes();
        raw.extend_from_slice(
            b"X-Odd: a\xff\xfe\x80b\r\nx-rerank-window: \xff\xfe\r\nbaggage: rerank-query=\xff, a=\xfe\r\n",
        );
        raw.extend_from_slice(
            b"content-type: \xff\r\ntraceparent: \xff\r\ncontent-length: 13\r\n\r\n{\"query\":[1]}",
        );
        let got = String::from_utf8(sidecar.raw(raw).await).unwrap();
        assert_eq!(
            (body_of(&got), header(&got, "x-rerank-status")),
            (REFUSAL, Some("kept; reason=no_query; ignored=x-rerank-window"))
        );
        let seen = database.seen().pop().unwrap();
        let has = |part: &[u8]| seen.windows(part.len()).any(|window| window == part);
        assert!(
            has(b"X-Odd: a\xff\xfe\x80b\r\n")
                && has(b"content-type: \xff\r\n")
                && has(b"traceparent: \xff\r\n")
        );
        assert!(has(b"baggage: a=\xfe\r\n") && !has(b"rerank"), "{}", String::from_utf8_lossy(&seen));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_forwarded_unread() {
    let setup = setup("limits: { max_request_bytes: 1KiB }\n").await;
    for (target, body) in [
        (QUERY, format!(r#"{{"query":[1],"x":"{}"}}"#, "y".repeat(2000))),
        (SEARCH, format!(r#"{{"query":{{"match":{{"a":"{}"}}}}}}"#, "y".repeat(2000))),
        (MSEARCH, "{}\n{}\n".repeat(400)),
        (QUERY, "{".repeat(2000)),
    ] {
        judged(&setup, target, TEXT, body.as_bytes(), body.as_bytes(), "too_large").await;
    }
    // Small on the wire, large once unpacked.
    let body = gzip(format!(r#"{{"query":[1],"x":"{}"}}"#, "y".repeat(2000)).as_bytes());
    let headers = format!("{TEXT}content-encoding: gzip\r\n");
    judged(&setup, QUERY, &headers, &body, &body, "too_large").await;
}

#[tokio::test]
async fn a_query_text_of_a_megabyte_is_cut_for_the_service_and_whole_for_the_database() {
    let text = "long zebra ".repeat(100_000);
    let hits = json!({"hits": {"hits": [
        {"_id": "1", "_score": 2.5, "_source": {"text": "text 1"}},
        {"_id": "2", "_score": 1.5, "_source": {"text": "text 2"}}
    ]}});
    let points = json!({"result": {"points": [
        {"id": 1, "score": 0.5, "payload": {"text": "text 1"}},
        {"id": 2, "score": 0.4, "payload": {"text": "text 2"}}
    ]}});
    let native = json!({"size": 50, "query": {"match": {"text": text}}}).to_string();
    let own = json!({"limit": 50, "query": [1], "with_payload": true, "rerank": {"query": text}}).to_string();
    for (target, body, found) in [(SEARCH, native, hits), (QUERY, own, points)] {
        let database = RawServer::answering(response(200, JSON, &found.to_string())).await;
        let sidecar = Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, "", "").await;
        let got = sidecar.post(target, "", &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{target}");
        assert_eq!(json_of(&got), found);
        let sent = json_of(&sidecar.service.seen()[0])["query"].as_str().unwrap().len();
        assert!((1_000..20_000).contains(&sent), "{sent} bytes");
        let forwarded = String::from_utf8(database.last_body()).unwrap();
        assert_eq!(forwarded.contains(&text), target == SEARCH);
    }
}

#[tokio::test]
async fn unknown_members_are_forwarded_with_the_search() {
    let (database, sidecar) = setup("").await;
    for (target, headers, body) in [
        (QUERY, TEXT, r#"{"query":[1],"tomorrow":{"a":[1.0e0]},"limit":3}"#),
        (SEARCH, "", r#"{"query":{"match":{"a":"x"}},"tomorrow":{"a":[1.0e0]},"size":3}"#),
    ] {
        let before = database.seen().len();
        let got = sidecar.post(target, headers, body).await;
        assert_eq!(
            (body_of(&got), header(&got, "x-rerank-status")),
            (REFUSAL, Some("kept; reason=upstream_error"))
        );
        // Once with more hits, then as the client asked.
        let seen = database.seen();
        assert_eq!(seen.len(), before + 2);
        assert!(String::from_utf8_lossy(&seen[before]).contains(r#""tomorrow":{"a":[1.0e0]}"#));
        assert_eq!(database.last_body(), body.as_bytes());
    }
}

#[tokio::test]
async fn a_compressed_request_that_cannot_be_unpacked_is_forwarded_unchanged() {
    let setup = setup("").await;
    let good = gzip(br#"{"query":[1]}"#);
    let (cut, plain) = (&good[..good.len() - 6], &br#"{"query":[1]}"#[..]);
    for target in [QUERY, SEARCH] {
        for (coding, body, reason) in [
            ("gzip", cut, "malformed"),
            ("gzip", plain, "malformed"),
            ("deflate", plain, "malformed"),
            ("zstd", plain, "malformed"),
            ("br", plain, "malformed"),
            ("lzma", plain, "unsupported"),
            ("gzip, lzma", &good, "unsupported"),
        ] {
            let headers = format!("{TEXT}content-encoding: {coding}\r\n");
            judged(&setup, target, &headers, body, body, reason).await;
        }
    }
}

#[tokio::test]
async fn a_compressed_request_is_read_and_stays_compressed_where_nothing_changes() {
    let page = br#"{"result":{"points":[{"id":1,"payload":{"text":"a"}},{"id":2,"payload":{"text":"b"}}]}}"#;
    let database = RawServer::answering(whole(200, "content-type: application/json\r\n", page)).await;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, "", "").await;
    let headers = format!("{TEXT}content-encoding: gzip\r\n");
    for (body, coding, forwarded) in [
        (r#"{"query":[1],"with_payload":true,"limit":50}"#, Some("gzip"), None),
        (
            r#"{"query":[1],"with_payload":true,"limit":5}"#,
            None,
            Some(r#"{"query":[1],"with_payload":true,"limit":50}"#),
        ),
    ] {
        let coded = gzip(body.as_bytes());
        let got = String::from_utf8(sidecar.raw(request(QUERY, &headers, &coded)).await).unwrap();
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
        let seen = database.seen().pop().unwrap();
        assert_eq!(header(&String::from_utf8_lossy(&seen), "content-encoding"), coding);
        assert_eq!(database.last_body(), forwarded.map_or(coded, |text| text.as_bytes().to_vec()));
    }
}
