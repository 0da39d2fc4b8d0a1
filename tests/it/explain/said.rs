//! What is said of kept orders, of shadows, batches and floors, and where there is nothing to explain.

use serde_json::json;

use super::bench::{BODY, Bench, JSON, LINE, QUERY, page, relevance};
use crate::harness::{FakeDatabase, Scripted, json_of, response, run};

#[tokio::test]
async fn floor_window_and_hits_without_text_are_drawn_in_the_table() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let service = Scripted::scoring(relevance).await;
    let bench = Bench::of(database, service, "window: 6, min_score: 0.3", "").await;
    let body = r#"{"query":[0.1],"limit":7,"with_payload":true}"#;
    let (code, out, _) = bench.explain(&[LINE, "--body", body, "--query", QUERY]).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    let at = |part: &str| {
        lines.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {out}"))
    };
    let rows = at("database  relevance");
    let row = |line: usize| lines[line].split_whitespace().take(7).collect::<Vec<_>>().join(" ");
    assert_eq!(row(rows + 1), "1 6 +5 0.85 0.50000 provider 5");
    assert_eq!(row(rows + 3), "3 4 +1 0.87 0.30000 provider 3");
    assert_eq!(at("floor 0.3: dropped"), rows + 4);
    assert_eq!(row(rows + 5), "- 2 gone 0.89 0.10000 provider 1");
    assert_eq!(at("without a score"), rows + 7);
    assert_eq!(row(rows + 8), "4 3 -1 0.88 - - 2");
    assert!(lines[rows + 8].contains("it came with colour"), "{out}");
    assert_eq!(at("end of the window of 6"), rows + 9);
    assert_eq!(row(rows + 10), "7 7 = 0.84 - - 6");
    assert!(out.contains("RERANKED by cohere") && out.contains("authorization: Bearer ***"), "{out}");
}

#[tokio::test]
async fn a_kept_order_is_explained_with_what_to_do() {
    let bench = Bench::start().await;
    let (code, out, _) = bench.explain(&[LINE, "--body", BODY]).await;
    assert_eq!(code, 0);
    for part in
        ["ORDER WAS KEPT: no_query", "carries no query text", "x-rerank-query", "nothing: no call was made"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(out.contains("the client's own body, byte for byte"), "{out}");
    let (code, out, _) = bench.explain(&[LINE, "--body", "{", "--query", QUERY]).await;
    assert!(code == 0 && out.contains("malformed") && out.contains("passed on unchanged: "), "{out}");
    let (code, out, _) =
        bench.explain(&[LINE, "--body", BODY, "--query", QUERY, "-H", "x-rerank: off"]).await;
    assert!(code == 0 && out.contains("ORDER WAS KEPT: off"), "{out}");
    assert!(bench.service.seen().is_empty());
}

#[tokio::test]
async fn a_shadow_is_seen_and_a_missed_deadline_reported() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let service = Scripted::scoring(relevance).await;
    let bench = Bench::of(
        database,
        service,
        "mode: shadow, deadline: 1ms",
        "routes: [{ collection: 'd*', window: 4 }]\n",
    )
    .await;
    let reported = bench.search(&[]).await;
    let notes = reported["notes"].to_string();
    assert!(notes.contains("shadow") && notes.contains("over the deadline of 1 ms"), "{notes}");
    let search = &reported["searches"][0];
    assert_eq!(
        (&search["outcome"], &search["plan"]["route"], &search["window"]),
        (&json!("applied"), &json!("d*"), &json!(4))
    );
}

#[tokio::test]
async fn a_batch_is_explained_search_by_search() {
    let database = Scripted::start(|request| {
        let one = json_of(&page("\r\n\r\n{\"limit\":3}"))["result"].clone();
        let many =
            json_of(request)["searches"].as_array().unwrap().iter().map(|_| one.clone()).collect::<Vec<_>>();
        Some(response(200, JSON, &json!({"result": many, "status": "ok", "time": 0.1}).to_string()))
    })
    .await;
    let bench = Bench::of(database, Scripted::scoring(relevance).await, "", "").await;
    let body = format!(r#"{{"searches":[{BODY},{{"query":[0.1],"limit":0}}]}}"#);
    let (code, out, _) = bench
        .explain(&["POST /collections/docs/points/query/batch", "--body", &body, "--query", QUERY])
        .await;
    assert_eq!(code, 0);
    assert!(
        out.contains("SEARCH 1 of 2\nRERANKED by cohere")
            && out.contains("SEARCH 2 of 2\nTHE DATABASE'S ORDER"),
        "{out}"
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_explained_is_reported_plainly_and_nothing_is_sent() {
    let bench = Bench::start().await;
    for (args, said) in [
        (&["GET /collections"][..], "/collections/docs/points/query, …/batch"),
        (&["GET /collections/docs/points/query"], "only with POST"),
        (&[LINE], "needs a body: --body"),
        (&["body.json"], "--path"),
        (&[LINE, "--body", "@no-such-file.json"], "no-such-file.json"),
        (&[LINE, "--body", BODY, "-H", "nonsense"], "header 1"),
        (&[LINE, "--body", BODY, "--listener", "2"], "1 listeners"),
    ] {
        let (code, out, err) = bench.explain(args).await;
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert!(bench.database.seen().is_empty() && bench.service.seen().is_empty());
    assert_eq!(bench.explain(&[]).await.0, 2, "nothing was named");
    let upstream =
        format!("listeners: [{{ dialect: none, upstream: {{ url: 'http://{}' }} }}]\n", bench.database.addr);
    std::fs::write(bench.folder.path().join("rerankd.yaml"), upstream).unwrap();
    let (code, _, err) = bench.explain(&[LINE, "--body", BODY]).await;
    assert!(code == 1 && err.contains("dialect is `none`"), "{err}");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_error_that_names_it() {
    let nobody = FakeDatabase::by_hand().await.addr;
    let args = ["explain", LINE, "--body", BODY, "--upstream", &format!("http://{nobody}")];
    let ended = run(&args, &[]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains(&format!(
            "http://{nobody}: cannot connect to the upstream (connection_refused): nothing listens there"
        )),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn the_demos_search_is_explained_with_one_command() {
    let ended = run(&["explain", "--demo"], &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("RERANKED by lexical") && ended.stdout.contains("were computed here"),
        "{}",
        ended.stdout
    );
}
