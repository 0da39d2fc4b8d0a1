//! Responses of the database, each made once: `/bytes/<n>` has a body of n bytes, `/collections/hits-<n>-<bytes>/…` a
//! Qdrant page of n points with that much text each.

use std::{collections::HashMap, fmt::Write, rc::Rc};

use crate::collection::{Collection, text};

/// The target whose response comes in small pieces.
pub const PIECES: &str = "/pieces";

/// That response, as it is written.
pub fn pieces() -> impl Iterator<Item = String> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let chunks = (0..4).map(|_| format!("40\r\n{}\r\n", "x".repeat(64)));
    [head].into_iter().chain(chunks).chain(["0\r\n\r\n".to_owned()])
}

/// Every response that was asked for so far, head and body in one piece.
#[derive(Default)]
pub struct Answers(HashMap<String, Rc<[u8]>>);

impl Answers {
    /// The response for a target.
    pub fn of(&mut self, target: &str) -> Rc<[u8]> {
        if let Some(known) = self.0.get(target) {
            return known.clone();
        }
        let made: Rc<[u8]> = make(target).into();
        self.0.insert(target.to_owned(), made.clone());
        made
    }
}

/// A 200 with a JSON body, as Qdrant and Cohere send it.
pub fn json(body: &str) -> Vec<u8> {
    respond("200 OK", "application/json", body.as_bytes())
}

fn respond(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\n\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn make(target: &str) -> Vec<u8> {
    let mut parts = target.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("bytes"), Some(count)) => match count.parse() {
            Ok(count) => respond("200 OK", "application/octet-stream", &vec![b'x'; count]),
            Err(_) => missing(),
        },
        (Some("collections"), Some(name)) => match page(name) {
            Some(page) => json(&page),
            None => missing(),
        },
        _ => missing(),
    }
}

fn missing() -> Vec<u8> {
    respond("404 Not Found", "text/plain", b"no such response")
}

/// The page of a collection.
fn page(name: &str) -> Option<String> {
    let Collection { hits, bytes } = Collection::named(name)?;
    let mut page = String::from(r#"{"result":{"points":["#);
    for hit in 0..hits {
        let comma = if hit == 0 { "" } else { "," };
        let score = 0.9 - hit as f64 / 1000.0;
        let text = text(hit, bytes).replace('\n', "\\n");
        write!(
            page,
            r#"{comma}{{"id":{hit},"version":7,"score":{score:.6},"payload":{{"page":{hit},"text":"{text}"}}}}"#
        )
        .ok()?;
    }
    page.push_str(r#"]},"status":"ok","time":0.000123456}"#);
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_json_with_as_many_points_as_its_name_says() {
        let page: serde_json::Value = serde_json::from_str(&page("hits-50-2000").unwrap()).unwrap();
        assert_eq!(page["result"]["points"].as_array().unwrap().len(), 50);
    }

    #[test]
    fn what_is_not_known_is_missing() {
        assert!(Answers::default().of("/other").starts_with(b"HTTP/1.1 404"));
    }
}
