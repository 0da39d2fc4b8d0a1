//! Messages of the database over gRPC, each made once, with the five bytes before it.

use std::collections::HashMap;

use bytes::Bytes;

use crate::collection::{Collection, text};

/// What every other method responds with.
const PLAIN: usize = 1000;

/// Every message that was asked for so far.
#[derive(Default)]
pub struct Messages(HashMap<Vec<u8>, Bytes>);

impl Messages {
    /// The response to a method, and to the message sent to it, which begins with the collection's name: to a search a
    /// Qdrant page of the collection's points, to anything else a thousand bytes.
    pub fn of(&mut self, path: &str, message: &[u8]) -> Bytes {
        let name = if path == "/qdrant.Points/Query" { collection(message) } else { b"" };
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let found = str::from_utf8(name).ok().and_then(Collection::named);
        let made = Bytes::from(framed(&found.map_or_else(|| vec![0x1a; PLAIN], page)));
        self.0.insert(name.to_vec(), made.clone());
        made
    }
}

/// The name with which a framed request begins: field 1, shorter than 128 bytes.
fn collection(message: &[u8]) -> &[u8] {
    match message.get(5..) {
        Some([0x0a, length, rest @ ..]) => rest.get(..usize::from(*length)).unwrap_or_default(),
        _ => b"",
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// A `QueryResponse` in the order in which Qdrant writes it.
fn page(collection: Collection) -> Vec<u8> {
    let mut page = Vec::new();
    for hit in 0..collection.hits {
        field(&mut page, 0x0a, &point(hit, collection.bytes));
    }
    page.push(0x11);
    page.extend(0.000_123_456_f64.to_le_bytes());
    page
}

/// A `ScoredPoint`: id, payload, score, version.
fn point(hit: usize, bytes: usize) -> Vec<u8> {
    let mut point = Vec::new();
    field(&mut point, 0x0a, &number(0x08, hit));
    field(&mut point, 0x12, &entry("page", &number(0x18, hit)));
    let mut string = Vec::new();
    field(&mut string, 0x22, text(hit, bytes).as_bytes());
    field(&mut point, 0x12, &entry("text", &string));
    point.push(0x1d);
    point.extend((0.9 - hit as f32 / 1000.0).to_le_bytes());
    point.extend(number(0x28, 7));
    point
}

fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let mut entry = Vec::new();
    field(&mut entry, 0x0a, key.as_bytes());
    field(&mut entry, 0x12, value);
    entry
}

fn field(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    varint(out, content.len());
    out.extend(content);
}

fn number(tag: u8, value: usize) -> Vec<u8> {
    let mut out = vec![tag];
    varint(&mut out, value);
    out
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_gets_its_collection_and_any_other_method_a_thousand_bytes() {
        let mut messages = Messages::default();
        let request = [b"\0\0\0\0\x0e\x0a\x0chits-50-2000".as_slice()].concat();
        let page = messages.of("/qdrant.Points/Query", &request);
        assert!(page.len() > 100_000, "{}", page.len());
        assert_eq!(page[..5], framed(&page[5..])[..5]);
        assert_eq!(messages.of("/qdrant.Points/Get", &request).len(), 1005);
    }
}
