//! Presets against recorded exchanges with real servers, and against the forms of the databases' documentation.

// The presets are read by the configuration's reader, which imports this module.
#[cfg(test)]
use std::{collections::HashMap, fs, io::Read, sync::LazyLock, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::{
    dialect::{
        DialectError, Verdict,
        laws::{Sample, Widened},
        test_support::OfBody,
    },
    search::{
        FetchPlan, HitAt, KeepReason, NativeText, Ranked, Ranking, ScoreWriting, SearchIntent, Strip,
        WantedFields, Widening,
    },
};

/// The dialect of a preset, as the configuration makes it.
fn dialect(name: &str) -> &'static Paths {
    static ALL: LazyLock<HashMap<&'static str, &'static Paths>> = LazyLock::new(|| {
        let of = |preset: &Preset| {
            let definition = crate::config::preset(preset.name).expect(preset.name);
            (preset.name, &*Box::leak(Box::new(Paths::new(definition, Arc::new(Names::new(Instant::now))))))
        };
        PRESETS.iter().map(of).collect()
    });
    ALL[name]
}

/// A head and a body.
struct Message {
    first: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A recorded message, its body without chunks and codings.
fn message(path: &str) -> Message {
    let raw = fs::read(format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path);
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&raw[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap().to_owned();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.trim()).unwrap());
    }
    let mut body = raw[end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        body = dechunked(&body);
    }
    if headers.get("content-encoding").is_some_and(|value| value == "gzip") {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
        body = plain;
    }
    Message { first, headers, body: Bytes::from(body) }
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        out.extend_from_slice(&body[end + 2..end + 2 + length]);
        if length == 0 {
            return out;
        }
        body = &body[end + 4 + length..];
    }
}

/// A recorded exchange of a preset.
fn recorded(preset: &str, folder: &str, number: &str) -> Sample {
    let request = message(&format!("{folder}/{number}.request"));
    let response = message(&format!("{folder}/{number}.response"));
    let mut first = request.first.split(' ');
    Sample {
        name: format!("{folder}/{number}"),
        dialect: dialect(preset),
        method: first.next().unwrap().parse().unwrap(),
        target: first.next().unwrap().to_owned(),
        headers: request.headers,
        request: request.body,
        response: response.body,
    }
}

/// An exchange as a documentation has it.
fn written(preset: &str, line: &str, request: &str, response: &str) -> Sample {
    let (method, target) = line.split_once(' ').unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    Sample {
        name: format!("{preset}: {line}"),
        dialect: dialect(preset),
        method: method.parse().unwrap(),
        target: target.to_owned(),
        headers,
        request: Bytes::copy_from_slice(request.as_bytes()),
        response: Bytes::copy_from_slice(response.as_bytes()),
    }
}

/// Searches with their responses.
pub(in crate::dialect) fn samples() -> Vec<Sample> {
    let mut all = Vec::new();
    all.extend(["03", "04", "05"].map(|number| recorded("chroma", "chroma", number)));
    all.extend(["01", "02", "03", "05"].map(|number| recorded("solr", "solr", number)));
    all.extend(["01", "02"].map(|number| recorded("typesense", "typesense", number)));
    all.extend(["01", "02"].map(|number| recorded("weaviate", "weaviate-graphql", number)));
    all.push(written(
        "meilisearch",
        "POST /indexes/movies/search",
        r#"{"q":"batman","limit":3,"offset":1,"sort":[],"showRankingScore":true}"#,
        r#"{"hits":[{"id":1,"title":"Batman","_rankingScore":0.9},{"id":2,"title":"Batman Returns","_rankingScore":0.8},{"id":3,"title":"Joker"}],"query":"batman","processingTimeMs":1,"limit":3,"offset":1,"estimatedTotalHits":9}"#,
    ));
    all.push(written(
        "meilisearch",
        "POST /multi-search",
        r#"{"queries":[{"indexUid":"movies","q":"pooh","limit":2},{"indexUid":"books","q":"","limit":1}]}"#,
        r#"{"results":[{"indexUid":"movies","hits":[{"id":13,"title":"Pooh"},{"id":9,"title":"Winnie"}],"query":"pooh","limit":2,"offset":0},{"indexUid":"books","hits":[{"id":1}],"query":"","limit":1,"offset":0}]}"#,
    ));
    all.push(written(
        "pinecone",
        "POST /query",
        r#"{"namespace":"docs","vector":[0.1,0.2],"topK":2,"includeMetadata":true}"#,
        r#"{"matches":[{"id":"a","score":0.8,"values":[],"metadata":{"text":"x"}},{"id":"b","score":0.7,"metadata":{"text":"y"}}],"namespace":"docs","usage":{"readUnits":5}}"#,
    ));
    all.push(written(
        "pinecone",
        "POST /records/namespaces/docs/search",
        r#"{"query":{"inputs":{"text":"famous landmark"},"top_k":2},"fields":["chunk_text"]}"#,
        r#"{"result":{"hits":[{"_id":"r1","_score":0.3,"fields":{"chunk_text":"The Eiffel Tower"}},{"_id":"r2","_score":0.2,"fields":{"chunk_text":"The Louvre"}}]},"usage":{"read_units":6}}"#,
    ));
    all.push(written(
        "milvus",
        "POST /v2/vectordb/entities/search",
        r#"{"collectionName":"docs","data":[[0.1,0.2]],"annsField":"vector","limit":3,"outputFields":["text"]}"#,
        r#"{"code":0,"cost":0,"data":[{"distance":1,"id":448,"text":"a"},{"distance":0.99,"id":449,"text":"b"}]}"#,
    ));
    all.push(written(
        "azure-ai-search",
        "POST /indexes('hotels')/docs/search.post.search?api-version=2024-07-01",
        r#"{"search":"historic hotel","top":2,"select":"HotelName"}"#,
        r#"{"@odata.context":"x","value":[{"@search.score":5.3,"HotelName":"A"},{"@search.score":4.1,"HotelName":"B"}]}"#,
    ));
    all.push(written(
        "vespa",
        "POST /search/",
        r#"{"yql":"select * from doc where userQuery()","query":"late train","hits":2}"#,
        r#"{"root":{"id":"toplevel","relevance":1.0,"fields":{"totalCount":7},"children":[{"id":"a","relevance":0.5,"source":"doc","fields":{"text":"x"}},{"id":"b","relevance":0.4,"fields":{"text":"y"}}]}}"#,
    ));
    all.push(written(
        "postgrest",
        "POST /rpc/match_documents?select=id,content",
        r#"{"query_embedding":[0.1,0.2],"match_count":2}"#,
        r#"[{"id":7,"content":"x","similarity":0.8},{"id":8,"content":"y","similarity":0.7}]"#,
    ));
    all.push(written(
        "mongodb",
        "POST /action/aggregate",
        r#"{"dataSource":"c","database":"d","collection":"docs","pipeline":[{"$vectorSearch":{"queryVector":[0.1,0.2],"limit":2}}]}"#,
        r#"{"documents":[{"_id":"1","text":"x","score":0.8},{"_id":"2","text":"y","score":0.7}]}"#,
    ));
    all
}

/// Searches, and the responses that more fields bring.
pub(in crate::dialect) fn widened() -> Vec<Widened> {
    let own = recorded("chroma", "chroma", "03");
    let chroma = Widened {
        plan: plan(Some(8), &["document"]),
        own: Sample { request: request_of(&own, r#""metadatas","documents","#, r#""metadatas","#), ..own },
        more: message("chroma/03.response").body,
    };
    let own = &chroma.own;
    let (start, end) = (position(&own.response, br#""documents":["#), position(&own.response, br#","uris""#));
    let without = [&own.response[..start], br#""documents":null"#, &own.response[end..]].concat();
    let without =
        String::from_utf8(without).unwrap().replace(r#"["metadatas","documents","#, r#"["metadatas","#);
    let own = Sample { response: Bytes::from(without), ..recorded("chroma", "chroma", "03") };
    let own = Sample { request: chroma.own.request.clone(), ..own };
    let chroma = Widened { own, ..chroma };
    let solr = Widened {
        own: written(
            "solr",
            "GET /solr/docs/select?q=late&fl=id,score&rows=1",
            "",
            r#"{"response":{"numFound":2,"start":0,"docs":[{"id":"1","score":2.5}]}}"#,
        ),
        plan: plan(Some(50), &["text", "title"]),
        more: Bytes::from_static(
            br#"{"response":{"numFound":2,"start":0,"docs":[{"id":"2","text":"b","score":3},{"id":"1","text":"a","title":"t","score":2.5}]}}"#,
        ),
    };
    vec![chroma, solr]
}

fn position(text: &[u8], part: &[u8]) -> usize {
    memchr::memmem::find(text, part).unwrap()
}

fn request_of(sample: &Sample, from: &str, to: &str) -> Bytes {
    let text = std::str::from_utf8(&sample.request).unwrap();
    assert!(text.contains(from), "{text}");
    Bytes::from(text.replace(from, to))
}

fn plan(hits: Option<u64>, fields: &[&str]) -> FetchPlan {
    let names = fields.iter().map(|name| (*name).to_owned()).collect();
    FetchPlan { hits, fields: WantedFields::Named(names), ..FetchPlan::as_asked() }
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    headers
}

/// What a request asks for, and what it becomes.
struct Asked<'a> {
    preset: &'a str,
    line: &'a str,
    body: &'a str,
    form: bool,
}

impl Asked<'_> {
    fn read(&self) -> std::sync::Arc<dyn crate::dialect::SearchRequest> {
        let (method, target) = self.line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let content =
            if self.form { "application/x-www-form-urlencoded; charset=utf-8" } else { "application/json" };
        let headers = headers(content);
        let head = Head { method: &method, path, query, headers: &headers };
        dialect(self.preset).read_body(&head, &Bytes::copy_from_slice(self.body.as_bytes())).unwrap()
    }

    fn intents(&self) -> Vec<SearchIntent> {
        self.read().intents().unwrap()
    }

    fn intent(&self) -> SearchIntent {
        self.intents().remove(0)
    }

    fn becomes(&self, plans: &[FetchPlan]) -> (String, String) {
        let rewrite = self.read().rewrite(plans).unwrap();
        (rewrite.target, String::from_utf8(rewrite.body.to_vec()).unwrap())
    }
}

fn json<'a>(preset: &'a str, line: &'a str, body: &'a str) -> Asked<'a> {
    Asked { preset, line, body, form: false }
}

fn one(text: &str) -> NativeText {
    NativeText::One(text.to_owned())
}

#[test]
fn recorded_searches_are_read_as_their_clients_meant_them() {
    let of = |preset: &str, folder: &str, number: &str| {
        let sample = recorded(preset, folder, number);
        let (path, query) = match sample.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&*sample.target, None),
        };
        let head = Head { method: &sample.method, path, query, headers: &sample.headers };
        sample.dialect.route(&head).unwrap().endpoint.read(sample.request.clone()).unwrap().intents().unwrap()
    };
    let chroma = of("chroma", "chroma", "04");
    assert_eq!(chroma.len(), 2);
    assert_eq!((chroma[1].limit, chroma[1].vector.len(), chroma[1].vector[0]), (3, 4, 1.0));
    assert_eq!(chroma[0].widening, Widening::Neutral);
    let solr = |number: &str| of("solr", "solr", number).remove(0);
    assert_eq!((solr("01").native, solr("01").limit), (one("train refund"), 5));
    assert_eq!(solr("01").collections, ["docs"]);
    assert_eq!((solr("02").native, solr("02").vector.len()), (NativeText::None, 4));
    assert_eq!(solr("02").widening, Widening::Never, "topK bounds the hits");
    assert_eq!(
        (solr("03").native, solr("03").widening),
        (one("train refund"), Widening::Never),
        "highlighting"
    );
    assert_eq!(solr("04").keep, Some(KeepReason::Unsupported), "a cursor");
    assert_eq!(solr("05").keep, None);
    for javabin in ["06", "07", "08"] {
        assert_eq!(solr(javabin).keep, Some(KeepReason::Unsupported), "{javabin}");
    }
    let typesense = of("typesense", "typesense", "02");
    assert_eq!((typesense[0].native.clone(), typesense[0].vector.len()), (NativeText::None, 4));
    assert_eq!((typesense[1].limit, typesense[1].offset), (3, 3), "numbers as text");
    assert_eq!(typesense[1].collections, ["docs"]);
    let weaviate = of("weaviate", "weaviate-graphql", "01").remove(0);
    assert_eq!((weaviate.native, weaviate.widening), (one("train refund"), Widening::Never));
}

#[test]
fn a_search_is_widened_where_its_limit_stands_and_as_it_is_written_there() {
    let hits = |hits| [plan(Some(hits), &[])];
    let solr = |line| Asked { preset: "solr", line, body: "", form: false }.becomes(&hits(50)).0;
    assert_eq!(solr("GET /solr/d/select?q=a&rows=5"), "/solr/d/select?q=a&rows=50");
    assert_eq!(solr("GET /solr/d/select?q=a&start=10&rows=5"), "/solr/d/select?q=a&start=0&rows=50");
    assert_eq!(solr("GET /solr/d/select?q=a"), "/solr/d/select?q=a&rows=50");
    let form = Asked { preset: "solr", line: "POST /solr/d/query", body: "q=a+b&rows=5", form: true };
    assert_eq!(form.becomes(&hits(50)), ("/solr/d/query".to_owned(), "q=a+b&rows=50".to_owned()));
    let body = json("solr", "POST /solr/d/query", r#"{ "query":"a", "limit":5, "offset":5 }"#);
    assert_eq!(body.becomes(&hits(50)).1, r#"{ "query":"a", "limit":50, "offset":0 }"#);
    let mixed = json("solr", "POST /solr/d/query?rows=5", r#"{"query":"a"}"#);
    assert_eq!(mixed.becomes(&hits(50)), ("/solr/d/query?rows=50".to_owned(), r#"{"query":"a"}"#.to_owned()));
    let typesense = json(
        "typesense",
        "POST /multi_search",
        r#"{"searches":[{"q":"a","collection":"c","per_page":"3","page":"2"},{"q":"b","collection":"d"}]}"#,
    );
    let wide = [plan(Some(50), &[]), FetchPlan::as_asked()];
    assert_eq!(
        typesense.becomes(&wide).1,
        r#"{"searches":[{"q":"a","collection":"c","per_page":"50","page":"1"},{"q":"b","collection":"d"}]}"#
    );
    let shared =
        json("typesense", "POST /multi_search?per_page=3", r#"{"searches":[{"q":"a","collection":"c"}]}"#);
    assert_eq!(shared.intent().widening, Widening::Never, "it is all searches'");
    assert!(shared.read().rewrite(&hits(50)).is_err());
    let pinecone = json(
        "pinecone",
        "POST /records/namespaces/n/search",
        r#"{"query":{"inputs":{"text":"t"},"top_k":2},"fields":["a"]}"#,
    );
    assert_eq!(
        pinecone.becomes(&[plan(Some(9), &["text"])]).1,
        r#"{"query":{"inputs":{"text":"t"},"top_k":9},"fields":["a","text"]}"#
    );
}

#[test]
fn pages_of_functions_that_say_how_many_rows_came_are_reranked_as_they_are() {
    let call = json("postgrest", "POST /rpc/match", r#"{"query_text":"a","match_count":5}"#);
    assert_eq!(call.intent().widening, Widening::Never, "Content-Range counts the rows");
}

#[test]
fn queries_of_one_request_are_widened_together_or_not_at_all() {
    let two = json(
        "chroma",
        "POST /api/v2/tenants/t/databases/d/collections/u/query",
        r#"{"query_embeddings":[[1],[2]],"n_results":3}"#,
    );
    let wide = plan(Some(50), &[]);
    assert!(two.becomes(&[wide.clone(), wide.clone()]).1.contains(r#""n_results":50"#));
    assert!(two.becomes(&[wide, FetchPlan::as_asked()]).1.contains(r#""n_results":3"#));
}

#[test]
fn fields_are_asked_for_only_where_the_request_names_others_and_never_excluded_ones() {
    let asks = |preset: &str, line: &str, body: &str, fields: &[&str]| {
        json(preset, line, body).becomes(&[plan(None, fields)])
    };
    let solr = |line: &str| asks("solr", line, "", &["text"]).0;
    assert_eq!(solr("GET /solr/d/select?q=a&fl=id,score"), "/solr/d/select?q=a&fl=id%2Cscore%2Ctext");
    for as_is in ["q=a", "q=a&fl=*,score", "q=a&fl=id,text", "q=a&fl=id,x:text"] {
        let target = format!("/solr/d/select?{as_is}");
        assert_eq!(solr(&format!("GET {target}")), target);
    }
    let twice = json("solr", "GET /solr/d/select?q=a&fl=id&fl=score", "").read();
    assert_eq!(
        twice.rewrite(&[plan(None, &["text"])]).err(),
        Some(DialectError::Unsupported("a parameter that is given twice")),
        "which of the two counts is the database's affair"
    );
    let typesense = "GET /collections/c/documents/search?q=a&include_fields=title&exclude_fields=text";
    assert_eq!(asks("typesense", typesense, "", &["text"]).0, typesense[4..]);
    let query = |body: &str| asks("pinecone", "POST /query", body, &["text"]).1;
    assert_eq!(query(r#"{"topK":1}"#), r#"{"topK":1,"includeMetadata":true}"#);
    assert_eq!(query(r#"{"topK":1,"includeMetadata":true}"#), r#"{"topK":1,"includeMetadata":true}"#);
    let milvus =
        asks("milvus", "POST /v2/vectordb/entities/search", r#"{"collectionName":"c","data":[[1]]}"#, &["t"]);
    assert_eq!(milvus.1, r#"{"collectionName":"c","data":[[1]],"outputFields":["t"]}"#);
    let rows = |body: &str| asks("meilisearch", "POST /indexes/i/search", body, &["text"]).1;
    let kept = r#"{"attributesToRetrieve":["title"]}"#;
    assert_eq!(rows(kept), r#"{"attributesToRetrieve":["title","text"]}"#);
    for odd in
        [r#"[]"#, r#""title""#, r#""""#, "true", "{}", "null", "7", r#"["title",{"of":"text"}]"#, "[null]"]
    {
        let body = format!(r#"{{"attributesToRetrieve":{odd}}}"#);
        assert_eq!(rows(&body), body, "it may bring every field");
    }
    for odd in [r#""""#, "[]", r#"["id"]"#, "true", "null", r#""*""#] {
        let body = format!(r#"{{"search":"a","select":{odd}}}"#);
        assert_eq!(asks("azure-ai-search", "POST /indexes/i/docs/search", &body, &["t"]).1, body);
    }
    assert_eq!(asks("solr", "GET /solr/d/select?q=a&fl=", "", &["text"]).0, "/solr/d/select?q=a&fl=");
    for odd in [r#""false""#, "0", "null", "[]"] {
        let body = format!(r#"{{"topK":1,"includeMetadata":{odd}}}"#);
        assert_eq!(query(&body), body);
    }
    assert_eq!(query(r#"{"topK":1,"includeMetadata":false}"#), r#"{"topK":1,"includeMetadata":true}"#);
    let chroma = "POST /api/v2/tenants/t/databases/d/collections/u/query";
    for odd in [r#""distances""#, "null", "7"] {
        let body = format!(r#"{{"query_embeddings":[[1]],"include":{odd}}}"#);
        assert_eq!(asks("chroma", chroma, &body, &["document"]).1, body);
    }
    let azure =
        asks("azure-ai-search", "POST /indexes/i/docs/search", r#"{"search":"a","select":"id"}"#, &["t"]);
    assert_eq!(azure.1, r#"{"search":"a","select":"id,t"}"#);
}

#[test]
fn the_proxys_own_member_is_read_and_taken_out_unless_it_is_the_databases() {
    let search =
        json("meilisearch", "POST /indexes/i/search", r#"{"q":"a","rerank":{"query":"b","window":7}}"#);
    let intent = search.intent();
    assert_eq!((intent.caller.query.as_deref(), intent.caller.window), (Some("b"), Some(7)));
    assert_eq!(search.becomes(&[FetchPlan::as_asked()]).1, r#"{"q":"a"}"#);
    let batch = json(
        "typesense",
        "POST /multi_search",
        r#"{"rerank":{"query":"b"},"searches":[{"q":"*"},{"q":"c","rerank":false}]}"#,
    );
    let intents = batch.intents();
    assert_eq!(intents[0].caller.query.as_deref(), Some("b"));
    assert_eq!(intents[1].caller.enabled, Some(false));
    assert_eq!(batch.becomes(&[]).1, r#"{"searches":[{"q":"*"},{"q":"c"}]}"#);
    let body = r#"{"query":{"inputs":{"text":"t"},"top_k":2},"rerank":{"model":"m"}}"#;
    let own = json("pinecone", "POST /records/namespaces/n/search", body);
    assert_eq!(own.intent().keep, Some(KeepReason::Unsupported));
    assert_eq!(own.becomes(&[]).1, body);
}

#[test]
fn collections_that_a_path_lists_are_excluded_one_by_one() {
    let line = "GET /solr/docs,%20legal/select?q=a";
    assert_eq!(json("solr", line, "").intent().collections, ["docs", "legal"]);
    let unread = |path: &str| {
        let headers = HeaderMap::new();
        let head = Head { method: &Method::GET, path, query: Some("q=a"), headers: &headers };
        let endpoint = dialect("solr").route(&head).unwrap().endpoint;
        endpoint.unread(b"").map(|search| search.collections.to_vec())
    };
    assert_eq!(unread("/solr/docs/select"), Some(vec!["docs".to_owned()]));
    for list in ["/solr/docs,legal/select", "/solr/docs%2Clegal/select"] {
        assert_eq!(unread(list), None, "only reading it tells");
    }
}

#[test]
fn orders_cursors_groups_and_several_queries_are_left_alone() {
    let keep = |preset: &str, line: &str, body: &str| json(preset, line, body).intent().keep;
    let (unsupported, not_ranked) = (Some(KeepReason::Unsupported), Some(KeepReason::NotRanked));
    for (query, kept) in [
        ("q=a&sort=n+asc", not_ranked),
        ("q=a&sort=score+desc%2C+id+asc", None),
        ("q=a&sort=", None),
        ("q=a&group=true", unsupported),
        ("q=a&group=false", None),
        ("q=a&wt=xml", unsupported),
        ("q=a&wt=json", None),
        ("q=a&rows=0", not_ranked),
        ("q=a&collection=hr", unsupported),
        ("q=a&shards=h%3A1%2Fhr", unsupported),
        ("q=a&json=%7B%22limit%22%3A3%7D", unsupported),
        ("q=a&json.limit=3", unsupported),
    ] {
        assert_eq!(keep("solr", &format!("GET /solr/d/select?{query}"), ""), kept, "{query}");
    }
    let union = r#"{"union":true,"searches":[{"q":"a"}]}"#;
    assert_eq!(keep("typesense", "POST /multi_search", union), unsupported);
    let several = r#"{"collectionName":"c","data":[[1],[2]]}"#;
    assert_eq!(keep("milvus", "POST /v2/vectordb/entities/search", several), unsupported);
    let order = r#"{"yql":"select * from d where true order by date"}"#;
    assert_eq!(keep("vespa", "POST /search/", order), unsupported);
    let buckets = "GET /collections/c/documents/search?q=a&sort_by=_text_match(buckets:+10):desc,n:asc";
    assert_eq!(keep("typesense", buckets, ""), not_ranked, "the rest decides within a bucket");
    let twice = json("solr", "GET /solr/d/select?q=a&rows=5&rows=6", "").read();
    assert!(twice.intents().is_err(), "which of the two counts is the database's affair");
}

#[test]
fn what_a_response_repeats_of_a_widened_request_is_what_the_client_requested() {
    let request = json("typesense", "GET /collections/c/documents/search?q=a&per_page=2&page=3", "");
    let wide = r#"{"found":9,"page":1,"request_params":{"per_page":50,"q":"a"},"hits":[{"document":{"id":"1"}},{"document":{"id":"2"}}]}"#;
    let more = plan(Some(50), &[]);
    let page = request.read().page_for(Bytes::from_static(wide.as_bytes()), &[&more]).unwrap();
    let ranking = Ranking {
        hits: [1].map(Ranked::unscored).to_vec(),
        scores: ScoreWriting::Keep,
        annotate: false,
        best: None,
        offset: 4,
    };
    let joined = page.reordered(&[Strip::default()], &[Some(ranking)]);
    assert_eq!(
        joined,
        r#"{"found":9,"page":3,"request_params":{"per_page":2,"q":"a"},"hits":[{"document":{"id":"2"}}]}"#
    );
    let request = json("solr", "GET /solr/d/select?q=a", "");
    let wide =
        r#"{"responseHeader":{"status":0,"params":{"q":"a","rows":"50"}},"response":{"start":0,"docs":[]}}"#;
    let page = request.read().page_for(Bytes::from_static(wide.as_bytes()), &[&more]).unwrap();
    let joined = page.reordered(&[Strip::default()], &[None]);
    assert_eq!(
        joined,
        r#"{"responseHeader":{"status":0,"params":{"q":"a"}},"response":{"start":0,"docs":[]}}"#
    );
    for (there, left) in [
        (r#""rows":"50","start":"0""#, "{}"),
        (r#""q":"a","rows":"50","start":"0""#, r#"{"q":"a"}"#),
        (r#""rows":"50","start":"0","q":"a""#, r#"{"q":"a"}"#),
        (r#""start":"0","q":"a","rows":"50""#, r#"{"q":"a"}"#),
    ] {
        let of = |params: &str| {
            format!(r#"{{"responseHeader":{{"params":{params}}},"response":{{"start":0,"docs":[]}}}}"#)
        };
        let page = request.read().page_for(Bytes::from(of(&format!("{{{there}}}"))), &[&more]).unwrap();
        assert_eq!(page.reordered(&[Strip::default()], &[None]), of(left), "neighbours go together: {there}");
    }
}

#[test]
fn an_echo_of_another_number_than_was_sent_is_a_widening_that_was_not_followed() {
    let request = json("meilisearch", "POST /indexes/i/search", r#"{"q":"a","limit":2,"offset":2}"#).read();
    let of = |echo: &str, plans: &[&FetchPlan]| {
        let body = format!(r#"{{"hits":[{{"id":1}},{{"id":2}},{{"id":3}}],{echo}}}"#);
        request.page_for(Bytes::from(body), plans)
    };
    let more = plan(Some(50), &[]);
    for followed in
        [r#""limit":50,"offset":0"#, r#""limit":"50""#, r#""limit":50.0"#, r#""limit":null"#, r#""x":0"#]
    {
        assert!(of(followed, &[&more]).is_ok(), "{followed}");
    }
    for other in
        [r#""limit":30,"offset":0"#, r#""limit":50,"offset":2"#, r#""limit":"30""#, r#""limit":[50]"#]
    {
        assert!(of(other, &[&more]).is_err(), "{other}");
        let own = of(other, &[]).unwrap();
        assert_eq!(own.reordered(&[], &[None]), *own.body(), "of the client's own request: {other}");
        let fields = plan(None, &["text"]);
        let page = of(other, &[&fields]).unwrap();
        assert_eq!(page.reordered(&[], &[None]), *page.body(), "only fields were added: {other}");
    }
}

#[test]
fn a_batch_of_which_a_widened_search_fails_is_asked_for_as_its_client_wrote_it() {
    let line = "POST /multi_search";
    let request = json("typesense", line, r#"{"searches":[{"q":"a","per_page":2},{"q":"b"}]}"#).read();
    let (more, own) = (plan(Some(50), &[]), FetchPlan::as_asked());
    let of = |first: &str, plans: &[&FetchPlan]| {
        let body = format!(r#"{{"results":[{first},{{"hits":[],"page":1}}]}}"#);
        request.page_for(Bytes::from(body), plans).map(|page| page.lists().len())
    };
    let failed = r#"{"code":422,"error":"x"}"#;
    assert!(of(failed, &[&more, &own]).is_err());
    assert_eq!(of(failed, &[&own, &more]), Ok(1), "it is the client's own search that fails");
    assert_eq!(of(r#"{"code":404,"error":"x"}"#, &[&more, &own]), Ok(1), "it fails whatever is requested");
    assert!(
        of(r#"{"grouped_hits":[],"hits":[]}"#, &[&more, &own]).is_err(),
        "it was left alone, and not widened"
    );
    assert!(of(r#"{"grouped_hits":null,"hits":[]}"#, &[&more, &own]).is_err());
    assert_eq!(of(r#"{"grouped_hits":null,"hits":[]}"#, &[&own, &own]), Ok(2));
}

#[test]
fn columns_move_together_and_a_null_one_stays() {
    let request = json(
        "chroma",
        "POST /api/v2/tenants/t/databases/d/collections/u/query",
        r#"{"query_embeddings":[[1]],"n_results":2}"#,
    );
    let response = r#"{"ids":[["a","b","c"]],"documents":[["x",null,"z"]],"metadatas":[[{"n":1},null,{"n":3}]],"distances":[[0.1, 0.2, 0.3]],"uris":null,"include":["documents"]}"#;
    let page = request.read().page(Bytes::from_static(response.as_bytes())).unwrap();
    assert_eq!(page.lists()[0].hits, 3);
    let at = HitAt { list: 0, hit: 2 };
    assert_eq!((page.id(at).id.as_str(), page.score(at).and_then(|score| score.number())), ("c", Some(0.3)));
    let ranking = |scores| Ranking {
        hits: [2, 1]
            .map(|hit| Ranked { score: Some(0.9), written: Some(0.9), ..Ranked::unscored(hit) })
            .to_vec(),
        scores,
        annotate: false,
        best: None,
        offset: 0,
    };
    for scores in [ScoreWriting::Keep, ScoreWriting::Relevance] {
        let joined =
            page.reordered(&[fields::stripped(vec![vec!["documents".to_owned()]])], &[Some(ranking(scores))]);
        assert_eq!(
            joined,
            r#"{"ids":[["c","b"]],"documents":null,"metadatas":[[{"n":3},null]],"distances":[[0.3, 0.2]],"uris":null,"include":[]}"#,
            "a distance is never written over"
        );
    }
}

#[test]
fn a_response_of_another_form_is_not_touched() {
    let page = |preset, line, body, response: &'static str| {
        json(preset, line, body).read().page(Bytes::from_static(response.as_bytes())).err()
    };
    let solr = "GET /solr/d/select?q=a";
    let left = Some(DialectError::Unsupported("a response of this form"));
    assert_eq!(page("solr", solr, "", r#"{"response":{"docs":[]},"nextCursorMark":"x"}"#), left);
    for other in ["{}", "[]", r#"{"response":{"docs":{}}}"#, r#"{"response":{"docs":[1]}}"#, "{"] {
        assert!(page("solr", solr, "", other).is_some(), "{other}");
    }
    let query = r#"{"query_embeddings":[[1]]}"#;
    let chroma = "POST /api/v2/tenants/t/databases/d/collections/u/query";
    for other in [
        r#"{"ids":[["a"]],"documents":[["x","y"]]}"#,
        r#"{"ids":[["a"]],"documents":[null]}"#,
        r#"{"ids":null}"#,
    ] {
        assert!(page("chroma", chroma, query, other).is_some(), "{other}");
    }
}

#[test]
fn errors_are_written_in_the_shape_of_the_database() {
    for preset in PRESETS {
        let response = dialect(preset.name).failure(StatusCode::BAD_GATEWAY, "no \"way\"\n");
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let body: serde_json::Value = serde_json::from_slice(response.body()).expect(preset.name);
        assert!(body.to_string().contains(r#"no \"way\"\n"#), "{body}");
    }
}

#[test]
fn a_response_that_has_not_changed_for_the_client_is_no_reason_to_ask_again() {
    let request = json("solr", "GET /solr/d/select?q=a", "").read();
    assert_eq!(request.verdict(StatusCode::NOT_MODIFIED, &HeaderMap::new()), Verdict::Denied);
    assert_eq!(request.verdict(StatusCode::OK, &HeaderMap::new()), Verdict::Success);
    assert_eq!(request.verdict(StatusCode::BAD_REQUEST, &HeaderMap::new()), Verdict::Rejected);
}

/// A call of several searches, this long beside them.
fn searches(count: usize, beside: usize) -> String {
    let list = vec![r#"{"q":"a"}"#; count].join(",");
    format!(r#"{{"x":"{}","searches":[{list}]}}"#, "y".repeat(beside))
}

#[test]
fn more_searches_than_are_read_in_one_call_pass_as_they_are() {
    let read = |body: &str, query: &str| {
        json("typesense", &format!("POST /multi_search?{query}"), body).read().intents().map(|all| all.len())
    };
    assert_eq!(read(&searches(1000, 0), ""), Ok(1000));
    let many = Err(DialectError::Unsupported("so many searches in one request"));
    assert_eq!(read(&searches(1001, 0), ""), many);
    let beside = Err(DialectError::Unsupported("so much beside so many searches"));
    assert_eq!(read(&searches(10, 20_000), ""), Ok(10), "what is beside them is looked at for each of them");
    assert_eq!(read(&searches(1000, 20_000), ""), beside);
    assert_eq!(read(&searches(1000, 0), &format!("x={}", "y".repeat(20_000))), beside);
    let chroma = |count: usize| {
        let body = format!(r#"{{"query_embeddings":[{}]}}"#, vec!["[1]"; count].join(","));
        let line = "POST /api/v2/tenants/t/databases/d/collections/u/query";
        json("chroma", line, &body).read().intents().map(|all| all.len())
    };
    assert_eq!((chroma(1000), chroma(1001)), (Ok(1000), many));
}

#[test]
fn a_page_before_the_first_and_a_negative_offset_are_no_pages() {
    let read = |preset, line, body| json(preset, line, body).read().intents().map(|all| all[0].offset);
    let typesense = |query: &str| {
        let line = format!("GET /collections/c/documents/search?q=a&{query}");
        json("typesense", &line, "").read().intents().map(|all| all[0].offset)
    };
    assert_eq!((typesense("page=1"), typesense("page=3&per_page=5")), (Ok(0), Ok(10)));
    assert!(typesense("page=0").is_err() && typesense("page=-1").is_err() && typesense("offset=-1").is_err());
    assert!(read("milvus", "POST /v2/vectordb/entities/search", r#"{"data":[[1]],"offset":-1}"#).is_err());
}

#[test]
fn a_page_beside_an_offset_is_left_to_the_database() {
    let both = Some(DialectError::Unsupported("a page beside an offset"));
    let single = "GET /collections/c/documents/search?q=a&page=2&offset=5";
    let batch = r#"{"searches":[{"q":"a","page":2,"offset":5}]}"#;
    for request in [json("typesense", single, ""), json("typesense", "POST /multi_search", batch)] {
        assert_eq!(request.read().intents().err(), both);
        assert_eq!(request.read().rewrite(&[plan(Some(50), &[])]).err(), both);
    }
}

#[test]
fn a_number_that_is_written_counts_before_one_that_is_the_default() {
    let mut definition = crate::config::preset("meilisearch").unwrap();
    definition.operations[0].offset.default = Some(0);
    definition.operations[0].page_only.clear();
    let dialect = Paths::new(definition, Arc::new(Names::new(Instant::now)));
    let (method, headers) = (Method::POST, headers("application/json"));
    let head = Head { method: &method, path: "/indexes/i/search", query: None, headers: &headers };
    let offset = |body: &'static str| {
        let request = dialect.read_body(&head, &Bytes::from_static(body.as_bytes())).unwrap();
        request.intents().unwrap()[0].offset
    };
    assert_eq!(offset(r#"{"q":"a","limit":5,"page":3}"#), 10);
    assert_eq!((offset(r#"{"q":"a","offset":7}"#), offset(r#"{"q":"a"}"#)), (7, 0));
}

#[test]
fn a_null_where_a_number_stands_is_left_to_the_database() {
    for body in [r#"{"q":"a","limit":null}"#, r#"{"q":"a","offset":null}"#] {
        let intent = json("meilisearch", "POST /indexes/i/search", body).intent();
        assert_eq!(intent.widening, Widening::Never, "{body}");
    }
}

#[test]
fn hits_that_a_response_says_are_pinned_are_known() {
    let pinned = |asked: Asked<'_>, response: &str| {
        let page = asked.read().page(Bytes::copy_from_slice(response.as_bytes())).unwrap();
        page.pinned().iter().map(|at| (at.list, at.hit)).collect::<Vec<_>>()
    };
    let solr = json("solr", "GET /solr/d/select?q=a&fl=id,[elevated]", "");
    let elevated =
        r#"{"response":{"docs":[{"id":"1","[elevated]":true},{"id":"2","[elevated]":false},{"id":"3"}]}}"#;
    assert_eq!(pinned(solr, elevated), [(0, 0)]);
    let typesense = json("typesense", "POST /multi_search", r#"{"searches":[{"q":"a"},{"q":"b"}]}"#);
    let curated = r#"{"results":[{"hits":[{"document":{"id":"1"}}]},{"hits":[{"document":{"id":"2"}},{"curated":true,"document":{"id":"3","curated":true}},{"document":{"id":"4","curated":true}}]}]}"#;
    assert_eq!(pinned(typesense, curated), [(1, 1)], "a field of that name is no mark");
    let mut definition = crate::config::preset("typesense").unwrap();
    let Hits::Rows(rows) = &mut definition.operations[0].response.hits else { panic!() };
    rows.pinned = Some(vec!["document".to_owned(), "top".to_owned()]);
    let dialect = Paths::new(definition, Arc::new(Names::new(Instant::now)));
    let (method, headers) = (Method::GET, HeaderMap::new());
    let head = Head {
        method: &method,
        path: "/collections/c/documents/search",
        query: Some("q=a"),
        headers: &headers,
    };
    let response = r#"{"hits":[{"document":{"id":"1","top":null}},{"document":{"id":"2","top":1}}]}"#;
    let page = dialect
        .read_body(&head, &Bytes::new())
        .unwrap()
        .page(Bytes::from_static(response.as_bytes()))
        .unwrap();
    assert_eq!(page.pinned(), [HitAt { list: 0, hit: 1 }], "also among the fields");
}

#[test]
fn names_are_added_to_an_empty_list_where_the_definition_says_that_it_brings_none() {
    let wanted = [plan(None, &["document", "text"])];
    let chroma = |include: &str| {
        let body = format!(r#"{{"query_embeddings":[[0.5]],"include":{include}}}"#);
        let line = "POST /api/v2/tenants/t/databases/d/collections/u/query";
        let rewrite = json("chroma", line, &body).read().rewrite(&wanted).unwrap();
        String::from_utf8(rewrite.body.to_vec()).unwrap()
    };
    assert!(chroma("[]").ends_with(r#""include":["documents"]}"#), "{}", chroma("[]"));
    let mut definition = crate::config::preset("solr").unwrap();
    let rewritten = |definition: &Definition, query: &str| {
        let dialect = Paths::new(definition.clone(), Arc::new(Names::new(Instant::now)));
        let (method, headers) = (Method::GET, HeaderMap::new());
        let head = Head { method: &method, path: "/solr/d/select", query: Some(query), headers: &headers };
        dialect.widen_body(&head, &Bytes::new(), &wanted).unwrap()
    };
    let unknown = rewritten(&definition, "q=a&fl=");
    assert_eq!((unknown.target.as_str(), &unknown.strips[0]), ("/solr/d/select?q=a&fl=", &Strip::default()));
    definition.operations[0].fields.empty_is_none = true;
    let added = rewritten(&definition, "q=a&fl=");
    assert_eq!(added.strips[0].paths.len(), 2);
    assert!(!added.target.contains("fl=,") && added.target.contains("document"), "{}", added.target);
}

#[test]
fn every_field_is_asked_for_by_a_switch_and_lists_of_the_client_stay() {
    let all = FetchPlan { fields: WantedFields::All, ..FetchPlan::as_asked() };
    let query = json("pinecone", "POST /query", r#"{"topK":1,"includeMetadata":false}"#).read();
    let rewrite = query.rewrite(std::slice::from_ref(&all)).unwrap();
    assert_eq!(rewrite.body, r#"{"topK":1,"includeMetadata":true}"#);
    assert_eq!(rewrite.strips[0].paths[0].keys, ["metadata"]);
    let listed = json("solr", "GET /solr/d/select?q=a&fl=id", "").read();
    let rewrite = listed.rewrite(&[all]).unwrap();
    assert_eq!(
        (rewrite.target.as_str(), &rewrite.strips[0]),
        ("/solr/d/select?q=a&fl=id", &Strip::default())
    );
}

#[test]
fn the_operations_of_a_definition_are_kinds_of_their_own() {
    let kinds: Vec<&str> = dialect("typesense").kinds().iter().map(|kind| kind.as_str()).collect();
    assert_eq!(kinds, ["search", "multi_search"]);
    let long = "n".repeat(65);
    assert_eq!(SearchKind::described(&long), SearchKind::Search, "it would be a label of any length");
    assert_eq!(SearchKind::described("find"), SearchKind::described("find"));
}

#[test]
fn an_empty_text_is_something_where_a_search_is_left_alone() {
    let keep = |query: &str| json("solr", &format!("GET /solr/d/select?q=a&{query}"), "").intent().keep;
    assert_eq!(keep("cursorMark="), Some(KeepReason::Unsupported), "a walk begins");
    assert_eq!(keep("group=false"), None);
}

proptest! {
    #[test]
    fn no_request_and_no_response_can_break_anything(
        body in "[\\[\\]{}\":,a-e0-9. ]{0,60}|\\{\"(q|limit|query|searches|data|query_embeddings)\":[\\[\\]{}\"0-9,]{0,9}\\}",
        query in "([a-z_=&%+0-9\\[\\]{}!$]{0,50})",
        response in "[\\[\\]{}\":,a-e0-9nul ]{0,60}|\\{\"(hits|ids|response|data|results)\":[\\[\\]{}\"0-9,]{0,12}\\}",
        which in 0..100_usize, form in any::<bool>(),
    ) {
        let preset = &PRESETS[which % PRESETS.len()];
        let definition = crate::config::preset(preset.name).unwrap();
        for operation in &definition.operations {
            let segment = |segment: &Segment| match segment {
                Segment::Literal(text) => text.clone(),
                Segment::Collection(before, after) => format!("{before}c{after}"),
                Segment::Any => "x".to_owned(),
            };
            let path: String = operation.paths[0].0.iter().map(|each| format!("/{}", segment(each))).collect();
            let headers = headers(if form { "application/x-www-form-urlencoded" } else { "application/json" });
            let head = Head { method: &operation.methods[0], path: &path, query: Some(&query), headers: &headers };
            let endpoint = dialect(preset.name).route(&head).expect("a search").endpoint;
            endpoint.working_bytes(body.as_bytes());
            let Ok(request) = endpoint.read(Bytes::copy_from_slice(body.as_bytes())) else { continue };
            let _ = request.intents();
            let _ = request.rewrite(&[plan(Some(50), &["text"]), plan(None, &["a.b"])]);
            let _ = request.vectors(&[0, 1, 7], &mut |_, _| ());
            if let Ok(page) = request.page(Bytes::copy_from_slice(response.as_bytes())) {
                let none = vec![None; page.lists().len()];
                page.reordered(&[fields::stripped(vec![vec!["a".to_owned(), "b".to_owned()]])], &none);
            }
        }
    }
}
