//! [`working_bytes`] and [`splitting_bytes`]: what reading a body may cost beside the body.

use super::hits::MOST_NOTED;
use crate::search::{Field, Hit};

/// What is held for an object: of a hit its places, three times while the list of them grows; of its fields at most the
/// places of all that are noted.
const OBJECT: usize = if 3 * size_of::<Hit>() > FIELDS { 3 * size_of::<Hit>() } else { FIELDS };
const FIELDS: usize = MOST_NOTED * size_of::<Field>();

/// The most memory that the places of the hits of an answer take while it is split, in bytes.
pub fn splitting_bytes(answer: &[u8]) -> usize {
    // The list of one object's fields may be there twice for a moment.
    memchr::memchr_iter(b'{', answer).count().saturating_mul(OBJECT).saturating_add(FIELDS)
}

/// The most memory that a dialect holds at a time for the parts it finds in a request's `body`, in bytes. `path` is
/// that of the request, whose collections each of its searches names.
pub fn working_bytes(path: &str, body: &[u8]) -> usize {
    // The sign after which a part is found, and what it takes: a scratch byte while a bracket is open, two
    // references to an element, those and the key of a member, and a search of a batch. A name
    // of one letter in a path takes twenty times its place there.
    let search = 700 + path.len().saturating_mul(20);
    [(b'[', 4), (b',', 76), (b':', 80), (b'{', search)]
        .map(|(sign, bytes)| memchr::memchr_iter(sign, body).count().saturating_mul(bytes))
        .into_iter()
        .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;
    use crate::{
        dialect::{Dialect, qdrant::Qdrant},
        search::Head,
    };

    #[test]
    fn the_places_of_hits_weigh_no_more_than_was_said() {
        let few = r#"{"id":1,"payload":{"a":1}}"#.to_owned();
        let members: Vec<String> = (0..MOST_NOTED).map(|n| format!("\"{n}\":1")).collect();
        let many = format!(r#"{{"payload":{{{}}}}}"#, members.join(","));
        for hits in [vec!["{}"; 3000], vec![&*few; 3000], vec![&*many; 3000], vec!["{}", &*many]] {
            let body = Bytes::from(format!(r#"{{"result":[{}]}}"#, hits.join(",")));
            let head = Head {
                method: &Method::POST,
                path: "/collections/c/points/search",
                query: None,
                headers: &HeaderMap::new(),
            };
            let page = Qdrant.split(&head, body.clone()).unwrap();
            assert!(page.place_bytes() < splitting_bytes(&body), "{} hits", hits.len());
        }
    }

    #[test]
    fn many_small_parts_weigh_more_than_one_large_text() {
        let text = format!(r#"{{"text":"{}"}}"#, "word ".repeat(2000));
        assert!(working_bytes("", text.as_bytes()) < 2000);
        assert_eq!(working_bytes("", &[b','; 1000]), 76_000);
        let numbers = format!("[{}0]", "0,".repeat(5000));
        assert!(working_bytes("", numbers.as_bytes()) > 25 * numbers.len());
    }
}
