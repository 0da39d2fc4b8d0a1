//! `rerankd explain --grpc`, on the demonstration's database.

use rerankd::{
    demo::{DemoDatabase, embed},
    wire::proto::{framing::framed, write},
};
use serde_json::Value;

use crate::harness::{Ended, run};

const QUESTION: &str = "my bank card was stolen";

/// `QueryPoints` for the question, with three hits and their titles.
fn message(collection: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::bytes(&mut out, 1, collection.as_bytes());
    write::message(&mut out, 3, |out| {
        write::message(out, 1, |out| write::message(out, 2, |out| write::floats(out, 1, &embed(QUESTION))));
    });
    write::unsigned(&mut out, 8, 3);
    write::message(&mut out, 11, |out| write::message(out, 2, |out| write::bytes(out, 1, b"title")));
    out
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn explain(args: &[&str]) -> Ended {
    let database = DemoDatabase::start().await.unwrap();
    let (rest, grpc) = (format!("http://{}", database.addr()), format!("http://{}", database.grpc_addr()));
    let env = [
        ("RERANKD_UPSTREAM__GRPC_URL", grpc.as_str()),
        ("RERANKD_RERANK__PROVIDERS", "lexical"),
        ("RERANKD_PROVIDERS__LEXICAL__FUSE", "false"),
    ];
    run(&[&["explain", "--upstream", &rest], args].concat(), &env).await
}

#[tokio::test]
async fn a_grpc_search_is_explained_with_the_message_that_the_database_got() {
    let body = hexadecimal(&message("demo"));
    let ended = explain(&["--grpc", "Query", "--body", &body, "--query", QUESTION]).await;
    let out = &ended.stdout;
    assert_eq!(ended.status.code(), Some(0), "{out}{}", ended.stderr);
    for part in [
        "POST /qdrant.Points/Query\n",
        "(dialect qdrant-grpc, operation query)",
        "RERANKED by lexical",
        "my bank card was stolen (from the header x-rerank-query)",
        "asked for   3 hits from place 1",
        "  POST /qdrant.Points/Query: 200 after",
        "the client's body, changed",
        "    | 1: \"demo\"\n",
        "title: Bank card stolen",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[tokio::test]
async fn a_message_comes_from_a_file_and_is_json_as_base64() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("search.bin");
    let body = framed(false, &message("demo")).unwrap();
    std::fs::write(&file, &body).unwrap();
    let ended =
        explain(&["--grpc", "/qdrant.Points/Query", file.to_str().unwrap(), "-H", "x-rerank: off", "--json"])
            .await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    let asked = &json["database"][0];
    assert_eq!(
        (&asked["body"], asked["unchanged"].as_bool(), json["status"].as_u64()),
        (&Value::Null, Some(true), Some(0))
    );
    assert_eq!(asked["body_base64"], base64(&message("demo")), "without the prefix");
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn an_error_of_the_database_is_shown_with_its_status_of_grpc() {
    let ended =
        explain(&["--grpc", "Query", "--body", &hexadecimal(&message("nope")), "--query", QUESTION]).await;
    assert_eq!(ended.status.code(), Some(3), "{}{}", ended.stdout, ended.stderr);
    let said = "THE DATABASE SAYS (status 5)\n    | Not found: Collection `nope` doesn't exist!\n";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
}

#[tokio::test]
async fn what_is_no_grpc_search_is_told_which_methods_are() {
    let ended = explain(&["--grpc", "Upsert", "--body", "0a0464656d6f"]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("    Query, …Batch, …Groups\n"), "{}", ended.stderr);
    let ended = explain(&["--grpc", "Query"]).await;
    assert!(ended.stderr.contains("needs its message"), "{}", ended.stderr);
}
