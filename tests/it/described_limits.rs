//! Described databases that do not do what a widened request says, or answer it in another form.

use serde_json::{Value, json};

use crate::harness::recorded::reversing;
use crate::harness::{Scripted, Sidecar, body_of, header, response};

/// A search API that nobody has: its texts stand in `doc`, its requests in JSON.
const FIND: &str = r#"
operations:
  find:
    path: /v3/{collection}/find
    text: words
    limit: { at: page.size, default: 4 }
    page: { at: page.number, default: 1 }
    limit_decides: true
    leave_alone: [page.cursor]
    fields: { at: show }
    response:
      hits: matches
      id: ref
      score: relevance
      fields: doc
      leave_alone: [next_cursor]
      echoes:
        - { at: page.size, of: limit }
        - { at: page.number, of: page }
"#;

/// What is peculiar about a database with twelve hits.
#[derive(Clone, Copy, Default)]
struct Peculiar {
    /// The largest limit; a larger one is cut to it without a word.
    cap: Option<u64>,
    /// It repeats no limit.
    silent: bool,
    /// It accepts no other fields than `title` and `body`.
    strict: bool,
    /// Each response has a cursor, `null` at the end.
    cursor: bool,
    /// It wants a number where the limit is.
    typed: bool,
}

fn answer(request: &str, peculiar: Peculiar) -> (u16, Value) {
    let asked: Value = serde_json::from_str(body_of(request)).unwrap_or_default();
    let (page, shown) = (&asked["page"], &asked["show"]);
    let names: Option<Vec<&str>> =
        shown.as_array().map(|names| names.iter().filter_map(Value::as_str).collect());
    let unknown = |name: &&str| !["title", "body"].contains(name);
    if peculiar.strict && names.iter().flatten().any(unknown) {
        return (422, json!({"problem": "no such thing"}));
    }
    if peculiar.typed && page.get("size").is_some_and(Value::is_null) {
        return (422, json!({"problem": "size"}));
    }
    let size = page["size"].as_u64().unwrap_or(4).min(peculiar.cap.unwrap_or(1000));
    let number = page["number"].as_u64().unwrap_or(1);
    let first = number.saturating_sub(1) * size;
    let hit = |n: u64| {
        let mut doc = json!({"title": format!("title {n}"), "body": format!("body {n}")});
        if let Some(names) = &names {
            doc.as_object_mut().unwrap().retain(|key, _| names.contains(&key.as_str()));
        }
        json!({"ref": format!("a{n}"), "relevance": 100 - n, "doc": doc})
    };
    let matches: Vec<Value> = (first..12.min(first + size)).map(hit).collect();
    let mut body = json!({"page": {"size": size, "number": number}, "matches": matches});
    if peculiar.silent {
        body["page"].as_object_mut().unwrap().remove("size");
    }
    if peculiar.cursor {
        body["next_cursor"] =
            if first + size < 12 { json!(format!("c{}", first + size)) } else { Value::Null };
    }
    (200, body)
}

async fn database(peculiar: Peculiar) -> Scripted {
    const CHECKED: &str = "application/json\r\netag: \"e\"\r\ncontent-md5: x\r\ndigest: sha-256=x\r\n\
                           content-digest: sha-256=:x:\r\nrepr-digest: sha-256=:x:\r\nx-node: n1";
    Scripted::start(move |request| {
        let (status, body) = answer(request, peculiar);
        Some(response(status, CHECKED, &body.to_string()))
    })
    .await
}

/// rerankd before such a database.
struct Acme {
    sidecar: Sidecar,
    database: Scripted,
    peculiar: Peculiar,
    _folder: tempfile::TempDir,
}

impl Acme {
    async fn start(peculiar: Peculiar, definition: &str, rerank: &str) -> Self {
        let (folder, database) = (tempfile::tempdir().unwrap(), database(peculiar).await);
        let path = folder.path().join("acme.yaml");
        std::fs::write(&path, definition).unwrap();
        let listener = format!(
            "dialect: paths, dialect_file: '{}', upstream: {{ url: \"http://{}\" }}",
            path.display(),
            database.addr
        );
        let sidecar = Sidecar::listening(&listener, reversing().await, rerank, "").await;
        Self { sidecar, database, peculiar, _folder: folder }
    }

    /// The response through rerankd, and what the database says directly.
    async fn both(&self, body: &str) -> (String, Value, Value) {
        let got = self.sidecar.post("/v3/docs/find", "", body).await;
        let read = serde_json::from_str(body_of(&got)).unwrap_or_default();
        (got, read, answer(&format!("\r\n\r\n{body}"), self.peculiar).1)
    }

    /// The ids on pages of so many hits, with how each ended.
    async fn walk(&self, size: u64, pages: u64) -> (Vec<String>, Vec<String>) {
        let (mut ids, mut ended) = (Vec::new(), Vec::new());
        for number in 1..=pages {
            let body = json!({"words": "late train", "page": {"size": size, "number": number}});
            let (got, page, direct) = self.both(&body.to_string()).await;
            assert_eq!(refs(&page).len(), refs(&direct).len(), "page {number}: {got}");
            assert_eq!(page["page"], direct["page"], "the echo is the database's own: {got}");
            ids.extend(refs(&page));
            ended.push(header(&got, "x-rerank-status").unwrap_or_default().to_owned());
        }
        (ids, ended)
    }
}

fn refs(page: &Value) -> Vec<String> {
    let matches = page["matches"].as_array().into_iter().flatten();
    matches.map(|hit| hit["ref"].as_str().unwrap().to_owned()).collect()
}

fn every_hit_once(mut ids: Vec<String>) -> bool {
    ids.sort();
    ids.dedup();
    ids.len() == 12
}

#[tokio::test]
async fn a_limit_that_is_capped_without_a_word_costs_no_hit_and_its_echo_is_the_databases_own() {
    let capped = Peculiar { cap: Some(5), ..Peculiar::default() };
    let acme = Acme::start(capped, FIND, "window: 50").await;
    let (ids, ended) = acme.walk(3, 4).await;
    assert!(every_hit_once(ids));
    assert!(ended.iter().all(|ended| ended == "applied"), "each page is reranked as it is: {ended:?}");
    let widened = acme.database.seen().iter().filter(|request| request.contains(r#""size":50"#)).count();
    assert_eq!(widened, 1, "it is not tried again at once");
    let (_, page, direct) = acme.both(r#"{"words":"late train","page":{"size":9}}"#).await;
    assert_eq!((page["page"].clone(), page["page"]["size"].clone()), (direct["page"].clone(), json!(5)));
}

#[tokio::test]
async fn where_no_limit_is_repeated_a_short_page_is_asked_for_as_the_client_wrote_it() {
    let silent = |cap| Peculiar { cap, silent: true, ..Peculiar::default() };
    let acme = Acme::start(silent(Some(5)), FIND, "window: 50").await;
    let (ids, _) = acme.walk(3, 4).await;
    assert_eq!(ids.len(), 12);
    let acme = Acme::start(silent(None), FIND, "window: 50").await;
    let (ids, ended) = acme.walk(5, 3).await;
    assert_eq!(ids[0], "a11", "a real end is no cap: {ids:?}");
    assert!(every_hit_once(ids) && ended.iter().all(|ended| ended == "applied"), "{ended:?}");
    assert_eq!(acme.database.seen().len(), 4, "the last page alone is in doubt");
    let known = FIND.replace("default: 4 }", "default: 4, most: 50 }");
    let acme = Acme::start(silent(None), &known, "window: 50").await;
    assert!(every_hit_once(acme.walk(5, 3).await.0));
    assert_eq!(acme.database.seen().len(), 3, "the definition knows that 50 are not capped");
}

#[tokio::test]
async fn a_page_that_widening_would_empty_is_the_databases_own() {
    // The definition says that 50 are followed, and is wrong.
    let known = FIND.replace("default: 4 }", "default: 4, most: 50 }");
    let capped = Peculiar { cap: Some(5), silent: true, ..Peculiar::default() };
    let acme = Acme::start(capped, &known, "window: 50").await;
    let body = r#"{"words":"late train","page":{"size":4,"number":3}}"#;
    let (got, page, direct) = acme.both(body).await;
    assert_eq!(refs(&page).len(), refs(&direct).len(), "{got}");
}

#[tokio::test]
async fn a_response_that_may_go_on_by_a_cursor_is_the_clients_own_also_at_its_end() {
    let cursor = Peculiar { cursor: true, ..Peculiar::default() };
    let acme = Acme::start(cursor, FIND, "window: 50").await;
    let (got, page, direct) = acme.both(r#"{"words":"late train","page":{"size":5}}"#).await;
    assert_eq!(page, direct, "the next page begins where this one ends: {got}");
    let (got, page, direct) = acme.both(r#"{"words":"late train","page":{"size":5,"cursor":""}}"#).await;
    assert_eq!(page, direct);
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=unsupported"), "a walk begins");
}

#[tokio::test]
async fn names_that_a_database_rejects_are_not_added_again_from_the_first_rejection_on() {
    let strict = Peculiar { strict: true, ..Peculiar::default() };
    let acme = Acme::start(strict, FIND, "window: 50, fields: [title, gone]").await;
    let body = r#"{"words":"late train","page":{"size":2},"show":["title"]}"#;
    for _ in 0..3 {
        let (got, page, _) = acme.both(body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
        assert_eq!(refs(&page), ["a11", "a10"], "it is widened all the same");
    }
    let sent = acme.database.seen();
    assert_eq!(sent.len(), 4, "{sent:#?}");
    let added = |request: &&String| request.contains(r#"["title",""#);
    assert_eq!(sent.iter().filter(added).count(), 1, "{sent:#?}");
}

#[tokio::test]
async fn fields_that_the_client_gets_are_never_fewer_than_the_database_gives() {
    let acme = Acme::start(Peculiar::default(), FIND, "fields: [body]").await;
    for show in ["[]", "null", r#""""#, r#""title""#, "{}", "true", r#"["title",{"name":"body"}]"#] {
        let body = format!(r#"{{"words":"late train","page":{{"size":2}},"show":{show}}}"#);
        let (got, page, direct) = acme.both(&body).await;
        assert_eq!(page["matches"].as_array().unwrap().len(), 2, "{show}: {got}");
        let mut docs =
            [&page, &direct].map(|page| page["matches"][0]["doc"].as_object().unwrap().keys().count());
        docs.sort();
        assert_eq!(docs[0], docs[1], "{show}: {got}");
        let seen = acme.database.seen();
        assert!(seen.last().unwrap().contains(&format!(r#""show":{show}"#)), "{seen:#?}");
    }
}

#[tokio::test]
async fn a_checksum_goes_from_a_response_that_was_changed_and_stays_on_one_that_was_not() {
    let acme = Acme::start(Peculiar::default(), FIND, "window: 50").await;
    let off = acme.sidecar.post("/v3/docs/find", "x-rerank: off\r\n", r#"{"words":"late train"}"#).await;
    let (changed, ..) = acme.both(r#"{"words":"late train"}"#).await;
    for name in ["etag", "content-md5", "digest", "content-digest", "repr-digest"] {
        assert!(header(&off, name).is_some(), "{name}: {off}");
        assert_eq!(header(&changed, name), None, "{name}");
    }
    assert_eq!(header(&changed, "x-node"), Some("n1"));
}

#[tokio::test]
async fn numbers_that_mean_no_page_are_forwarded_as_they_came() {
    let typed = Peculiar { typed: true, ..Peculiar::default() };
    let acme = Acme::start(typed, FIND, "window: 50").await;
    for page in [r#"{"size":2,"number":0}"#, r#"{"size":2,"number":-1}"#, r#"{"size":-2}"#] {
        let body = format!(r#"{{"words":"late train","page":{page}}}"#);
        let (got, page, direct) = acme.both(&body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=malformed"), "{got}");
        assert_eq!(page, direct);
        assert!(acme.database.seen().last().unwrap().ends_with(&body));
    }
    let body = r#"{"words":"late train","page":{"size":null}}"#;
    let (got, ..) = acme.both(body).await;
    assert!(got.starts_with("HTTP/1.1 422 "), "an error of the database's stays one: {got}");
    assert!(acme.database.seen().last().unwrap().ends_with(body));
}
