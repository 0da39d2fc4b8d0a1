//! A path without what is its user's.

use http::Method;

/// The words that stand in databases' own paths. Everything else in a path may be an id, or worse.
const WORDS: &[&str] = &[
    "_aliases",
    "_all",
    "_analyze",
    "_async_search",
    "_bulk",
    "_cat",
    "_cluster",
    "_count",
    "_create",
    "_delete_by_query",
    "_doc",
    "_explain",
    "_field_caps",
    "_flush",
    "_forcemerge",
    "_health",
    "_index_template",
    "_ingest",
    "_knn_search",
    "_mapping",
    "_mappings",
    "_mget",
    "_msearch",
    "_nodes",
    "_pit",
    "_plugins",
    "_refresh",
    "_reindex",
    "_search",
    "_security",
    "_settings",
    "_source",
    "_stats",
    "_tasks",
    "_template",
    "_update",
    "_update_by_query",
    "aliases",
    "api",
    "batch",
    "chat",
    "cluster",
    "clear",
    "collections",
    "columns",
    "count",
    "databases",
    "delete",
    "discover",
    "documents",
    "embed",
    "embeddings",
    "entities",
    "export",
    "facet",
    "graphql",
    "grpc.health.v1.Health",
    "groups",
    "health",
    "healthz",
    "hybrid",
    "import",
    "index",
    "indexes",
    "livez",
    "locks",
    "metrics",
    "multi_search",
    "objects",
    "payload",
    "pipeline",
    "points",
    "qdrant.Collections",
    "qdrant.Points",
    "qdrant.Qdrant",
    "qdrant.Snapshots",
    "query",
    "readyz",
    "recommend",
    "rerank",
    "schema",
    "scroll",
    "search",
    "select",
    "settings",
    "snapshots",
    "solr",
    "state",
    "stats",
    "telemetry",
    "template",
    "tenants",
    "tokenize",
    "update",
    "upsert",
    "v1",
    "v2",
    "v3",
    "vectordb",
    "vectors",
    "weaviate.v1.Weaviate",
];

/// The most parts of a path that are looked at.
const MOST: usize = 12;

/// The path with `*` for every part that is not a word of databases' own, so that it is one of few and says nothing.
pub fn route(path: &str) -> String {
    let mut route = String::with_capacity(path.len().min(64));
    for (at, part) in path.split('/').skip(1).enumerate() {
        route.push('/');
        match part {
            _ if at == MOST => {
                route.push('*');
                break;
            }
            "" => {}
            part if WORDS.contains(&part) => route.push_str(part),
            _ => route.push('*'),
        }
    }
    if route.is_empty() {
        route.push('/');
    }
    route
}

/// The method, if it is one of HTTP's own: a client's may be a text, of any length.
pub fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::{Method, method, route};

    #[test]
    fn a_method_of_a_clients_own_is_not_told() {
        for (given, expected) in [("GET", "GET"), ("jane-doe", "_OTHER"), ("get", "_OTHER")] {
            assert_eq!(method(&Method::from_bytes(given.as_bytes()).unwrap()), expected);
        }
    }

    #[test]
    fn a_route_has_no_id_no_name_and_no_text() {
        for (path, expected) in [
            ("/products/_search", "/*/_search"),
            ("/collections/docs/points/123", "/collections/*/points/*"),
            ("/idx/_doc/jane@example.com", "/*/_doc/*"),
            ("/how do I reset my password", "/*"),
            ("/", "/"),
            ("*", "/"),
            ("//a", "//*"),
            ("/jane.doe/_doc/1", "/*/_doc/*"),
            ("/qdrant.Points/Query", "/qdrant.Points/*"),
            ("/weaviate.v1.Weaviate/Search", "/weaviate.v1.Weaviate/*"),
            ("/_security/api_key/s3cret", "/_security/*/*"),
            ("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", "/*/*/*/*/*/*/*/*/*/*/*/*/*"),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
