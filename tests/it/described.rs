//! Databases that are described in a file, and some of the presets.

use rerankd::app::Reload;
use serde_json::{Value, json};

use crate::harness::recorded::{failing, reversing};
use crate::harness::{Folder, Scripted, Sidecar, Watched, ask, body_of, header, response};

const JSON: &str = "application/json";
const ASKED: &str = "x-rerank-query: which one\r\n";

/// A search API that nobody has.
const ACME: &str = r#"
error: '{"fault":"{message}"}'
operations:
  find:
    method: GET
    path: /v3/{collection}/find
    text: query:words
    limit: { at: "query:count", default: 4 }
    page: { at: "query:sheet", default: 1 }
    limit_decides: true
    sort: query:by
    response:
      hits: found.items
      id: key
      score: rank
      fields: data
      echoes: [{ at: found.sheet, of: page }]
"#;

/// The value of a parameter in a request's target.
fn parameter(request: &str, name: &str) -> Option<u64> {
    let target = request.split(' ').nth(1)?;
    let pairs = target.split_once('?')?.1.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1.parse().ok()
}

/// Twelve hits, as that API gives them, with an entity tag.
async fn acme() -> Scripted {
    Scripted::start(|request| {
        let (count, sheet) =
            (parameter(request, "count").unwrap_or(4), parameter(request, "sheet").unwrap_or(1));
        let first = (sheet - 1) * count;
        let items: Vec<Value> = (first..12.min(first + count))
            .map(|n| json!({"key": format!("k{n}"), "rank": 100 - n, "data": {"text": format!("text {n}")}}))
            .collect();
        let body = json!({"found": {"sheet": sheet, "items": items}}).to_string();
        Some(response(
            200,
            "application/json\r\netag: \"e1\"\r\nlast-modified: Sat, 28 Nov 2026 20:34:31 GMT",
            &body,
        ))
    })
    .await
}

fn keys(response: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body_of(response)).unwrap();
    let items = body["found"]["items"].as_array().unwrap();
    items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

async fn get(sidecar: &Sidecar, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    String::from_utf8(sidecar.raw(request).await).unwrap()
}

fn described(file: &tempfile::TempDir, database: &Scripted) -> String {
    let path = file.path().join("acme.yaml");
    std::fs::write(&path, ACME).unwrap();
    format!(
        "dialect: paths, dialect_file: '{}', upstream: {{ url: \"http://{}\" }}",
        path.display(),
        database.addr
    )
}

#[tokio::test]
async fn a_database_that_a_file_describes_is_reranked_and_its_pages_hold_every_hit_once() {
    let (folder, database) = (tempfile::tempdir().unwrap(), acme().await);
    let listener = described(&folder, &database);
    let sidecar = Sidecar::listening(&listener, reversing().await, "window: 8", "").await;
    let mut walked = Vec::new();
    for sheet in 1..=3 {
        let got = get(&sidecar, &format!("/v3/docs/find?words=late+train&count=4&sheet={sheet}")).await;
        let reranked = if sheet < 3 { "applied" } else { "kept; reason=past_window" };
        assert_eq!(header(&got, "x-rerank-status"), Some(reranked), "{got}");
        assert_eq!(header(&got, "etag").is_some(), sheet == 3, "an entity tag is of the bytes: {got}");
        assert_eq!(header(&got, "last-modified").is_some(), sheet == 3);
        assert!(body_of(&got).contains(&format!("\"sheet\":{sheet}")), "the page is the client's: {got}");
        walked.extend(keys(&got));
    }
    let expected = [7, 6, 5, 4, 3, 2, 1, 0, 8, 9, 10, 11].map(|n| format!("k{n}"));
    assert_eq!(walked, expected);
    assert!(database.seen()[0].starts_with("GET /v3/docs/find?words=late+train&count=8&sheet=1 "));
}

#[tokio::test]
async fn a_hit_that_the_database_says_is_pinned_keeps_its_place_among_the_others() {
    let database = Scripted::start(|_| {
        let hit = |n: u64| json!({"document": {"id": n.to_string(), "text": format!("text {n}")}, "curated": n == 1});
        let hits: Vec<Value> = (0..5).map(hit).collect();
        Some(response(200, JSON, &json!({"found": 5, "hits": hits}).to_string()))
    })
    .await;
    let listener = format!("dialect: typesense, upstream: {{ url: \"http://{}\" }}", database.addr);
    let sidecar = Sidecar::listening(&listener, reversing().await, "", "").await;
    let got = get(&sidecar, "/collections/docs/documents/search?q=late&per_page=5").await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
    let body: Value = serde_json::from_str(body_of(&got)).unwrap();
    let ids: Vec<&str> =
        body["hits"].as_array().unwrap().iter().map(|hit| hit["document"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["4", "1", "3", "2", "0"]);
    let metrics = sidecar.metrics().await;
    assert!(metrics.contains("operation=\"search\",outcome=\"applied\""), "{metrics}");
    assert!(metrics.contains("cause=\"pinned\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_described_search_whose_provider_fails_is_the_databases_own() {
    let (folder, database) = (tempfile::tempdir().unwrap(), acme().await);
    let sidecar = Sidecar::listening(&described(&folder, &database), failing().await, "window: 8", "").await;
    let direct = get(&sidecar, "/v3/docs/find?words=x&count=3&sheet=2&by=price").await;
    assert_eq!(header(&direct, "x-rerank-status"), Some("kept; reason=not_ranked"));
    let got = get(&sidecar, "/v3/docs/find?words=x&count=3&sheet=2").await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=provider_unavailable"));
    assert_eq!(body_of(&got), body_of(&direct));
    let other = get(&sidecar, "/v3/docs/other?words=x").await;
    assert_eq!(header(&other, "x-rerank-status"), None);
}

/// A Chroma with two collections.
async fn chroma() -> Scripted {
    Scripted::start(|request| {
        let target = request.split(' ').nth(1).unwrap();
        let named = |id: &str, name: &str| json!({"id": id, "name": name, "metadata": null});
        let body = match target.rsplit('/').next().unwrap() {
            "collections" => json!([named("u-1", "hr-files"), named("u-2", "wiki")]),
            _ => json!({"ids": [["a", "b"]], "documents": [["one", "two"]], "distances": [[0.1, 0.2]], "metadatas": null}),
        };
        Some(response(200, JSON, &body.to_string()))
    })
    .await
}

#[tokio::test]
async fn a_collection_with_an_id_is_excluded_by_the_name_that_other_calls_tell() {
    const BASE: &str = "/api/v2/tenants/t/databases/d/collections";
    let database = chroma().await;
    let listener = format!("dialect: chroma, upstream: {{ url: \"http://{}\" }}", database.addr);
    let sidecar = Sidecar::listening(&listener, reversing().await, "collections: ['*', '-hr-*']", "").await;
    let search = async |id: &str| {
        let body = r#"{"query_embeddings":[[0.5]],"n_results":2,"include":["documents","distances"]}"#;
        let got = sidecar.post(&format!("{BASE}/{id}/query"), ASKED, body).await;
        (header(&got, "x-rerank-status").map(str::to_owned), body_of(&got).contains(r#"[["b","a"]]"#))
    };
    let off = || Some("kept; reason=off".to_owned());
    assert_eq!(search("u-2").await, (off(), false), "its name is not known: it may be excluded");
    assert!(sidecar.service.seen().is_empty());
    get(&sidecar, BASE).await;
    assert_eq!(search("u-1").await, (off(), false));
    assert!(sidecar.service.seen().is_empty(), "no text has left");
    assert_eq!(search("u-2").await, (Some("applied".to_owned()), true));
    let renamed =
        format!("PUT {BASE}/u-2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    sidecar.raw(renamed).await;
    assert_eq!(search("u-2").await, (off(), false), "it may have another name now");
}

#[tokio::test]
async fn names_that_were_told_are_known_after_a_reload_of_the_same_database() {
    const BASE: &str = "/api/v2/tenants/t/databases/d/collections";
    let (database, other, service) = (chroma().await, chroma().await, reversing().await);
    let yaml = |database: &Scripted, window: u64| {
        format!(
            "admin: {{ listen: '127.0.0.1:0' }}\nlisteners: [{{ listen: '127.0.0.1:0', dialect: chroma, upstream: \
             {{ url: 'http://{}' }} }}]\nrerank: {{ collections: ['*', '-hr-*'], window: {window} }}\n\
             providers: {{ cohere: {{ base_url: 'http://{}', api_key_file: DIR/key }} }}\n",
            database.addr, service.addr
        )
    };
    let folder = Folder::new(&yaml(&database, 50));
    folder.write("key", "a-key\n");
    let sidecar = Watched::start_in(folder).await;
    let mut client = sidecar.client().await;
    let mut search = async || {
        let body = r#"{"query_embeddings":[[0.5]],"n_results":2,"include":["documents","distances"]}"#;
        let head = format!("POST {BASE}/u-2/query HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\n{ASKED}");
        client.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
        header(&client.message().await.unwrap(), "x-rerank-status").map(str::to_owned)
    };
    ask(sidecar.app.listening[0], BASE).await;
    assert_eq!(search().await.as_deref(), Some("applied"));
    assert!(matches!(sidecar.reload(&yaml(&database, 40)).await, Reload::Applied));
    assert_eq!(search().await.as_deref(), Some("applied"), "the name is known still");
    assert!(matches!(sidecar.reload(&yaml(&other, 40)).await, Reload::Applied));
    assert_eq!(search().await.as_deref(), Some("kept; reason=off"), "another database has told no name");
}

#[tokio::test]
async fn a_path_that_lists_an_excluded_collection_among_others_is_not_reranked() {
    let database = Scripted::start(|_| {
        let body = json!({"response": {"docs": [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}]}});
        Some(response(200, JSON, &body.to_string()))
    })
    .await;
    let listener = format!("dialect: solr, upstream: {{ url: \"http://{}\" }}", database.addr);
    let sidecar = Sidecar::listening(&listener, reversing().await, "collections: ['*', '-legal']", "").await;
    for list in ["docs,legal", "docs%2clegal", "legal"] {
        let got = get(&sidecar, &format!("/solr/{list}/select?q=late")).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=off"), "{list}: {got}");
    }
    assert!(sidecar.service.seen().is_empty(), "no text has left");
    let got = get(&sidecar, "/solr/docs,wiki/select?q=late").await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
}

#[tokio::test]
async fn an_unreachable_database_is_told_in_its_own_error_shape() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = format!("dialect: solr, upstream: {{ url: \"http://{free}\" }}");
    let sidecar = Sidecar::listening(&listener, reversing().await, "", "").await;
    let got = get(&sidecar, "/solr/d/select?q=a").await;
    assert!(got.starts_with("HTTP/1.1 502 "), "{got}");
    let body: Value = serde_json::from_str(body_of(&got)).unwrap();
    assert_eq!(body["error"]["code"], 502);
}
