//! One search of a Qdrant-shaped collection, and responses of any size to it.

/// A search of the collection `docs` by a text in the header.
pub fn search(body: &str) -> String {
    format!(
        "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: zebra\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A response with so many hits, each with a text of `length` letters.
pub fn qdrant_hits(count: u64, length: usize) -> String {
    let text = "x".repeat(length);
    let hit =
        |id: u64| format!(r#"{{"id":{id},"version":0,"score":0.5,"payload":{{"text":"{id} {text}"}}}}"#);
    let hits: Vec<String> = (0..count).map(hit).collect();
    format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.001}}"#, hits.join(","))
}
