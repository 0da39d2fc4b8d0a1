//! Where the vectors of a response stand, in any service's form.

use super::remember::MOST;
use crate::wire::{
    Kind,
    json::{Malformed, ScanResult, Scanner, Value},
};

/// A vector of a response.
pub(super) struct Found<'a> {
    /// Which entry of the request it belongs to.
    pub(super) entry: usize,
    pub(super) vector: Value<'a>,
    /// Which entry of the response it stands in.
    place: usize,
}

/// How many vectors are read at most: a few types of numbers for each of as many texts as are ever remembered.
const MOST_FOUND: usize = 8 * MOST;

/// The vectors of the first `most` entries; `None` where the response has none.
///
/// The shapes: `data[].embedding` with `data[].index` (OpenAI), `embeddings[][]` (Cohere, Ollama), `embeddings.TYPE[][]`
/// (Cohere), `embeddings[].values`, `embedding.values` and `predictions[].embeddings.values` (Google), `embedding[]`
/// (Ollama), `[][]` and `[]` (Text Embeddings Inference).
pub(super) fn read(response: &[u8], most: usize) -> Option<Vec<Found<'_>>> {
    let mut walk = Walk { most, found: Vec::new(), twice: false };
    Scanner::whole(response, |scanner| walk.root(scanner)).ok()?;
    let mut found = walk.found;
    if walk.twice {
        found.retain_mut(|found| {
            found.entry = found.place;
            found.entry < most
        });
    }
    Some(found).filter(|found| !found.is_empty())
}

struct Walk<'a> {
    most: usize,
    found: Vec<Found<'a>>,
    /// Two entries of `data` have one index: some servers say 0 of each. Then their order counts, as for clients.
    twice: bool,
}

impl<'a> Walk<'a> {
    fn root(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        if scanner.kind() == Kind::Array {
            return self.list(scanner);
        }
        scanner.object(|key, scanner| match &*key.name {
            "data" => self.data(scanner),
            "embeddings" if scanner.kind() == Kind::Object => self.by_type(scanner),
            "embeddings" | "predictions" => self.list(scanner),
            "embedding" => self.vector(0, scanner),
            _ => Ok(()),
        })?;
        Ok(())
    }

    fn keep(&mut self, entry: usize, vector: Value<'a>) -> ScanResult<()> {
        if self.found.len() == MOST_FOUND {
            return Err(Malformed);
        }
        if entry < self.most {
            self.found.push(Found { entry, vector, place: entry });
        }
        Ok(())
    }

    /// One vector per entry, in their order; or the numbers of a single one.
    fn list(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        let (mut entry, mut flat) = (0, false);
        let list = scanner.items(|scanner| {
            flat |= scanner.kind() == Kind::Number;
            if flat {
                return Ok(());
            }
            self.vector(entry, scanner)?;
            entry += 1;
            Ok(())
        })?;
        if let (true, Some(list)) = (flat && entry == 0, list) {
            self.keep(0, list)?;
        }
        Ok(())
    }

    /// A list per type of number.
    fn by_type(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        scanner.object(|_, scanner| self.list(scanner))?;
        Ok(())
    }

    /// A vector, or an object with it in `values` (Google); below `embeddings` there (Vertex); or by type (Jina).
    fn vector(&mut self, entry: usize, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        if scanner.kind() != Kind::Object {
            let vector = scanner.skip()?;
            return self.keep(entry, vector);
        }
        scanner.object(|key, scanner| {
            match (&*key.name, scanner.kind()) {
                ("embeddings", Kind::Object) => {
                    scanner.object(|key, scanner| {
                        if key.name == "values" {
                            let vector = scanner.skip()?;
                            self.keep(entry, vector)?;
                        }
                        Ok(())
                    })?;
                }
                (_, Kind::Array | Kind::String) => {
                    let vector = scanner.skip()?;
                    self.keep(entry, vector)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    /// OpenAI's list: an entry says itself which one it is; one that does not is the one that it stands for.
    fn data(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        let mut seen = vec![false; self.most];
        let mut place = 0;
        scanner.items(|scanner| {
            let (mut index, from) = (None, self.found.len());
            scanner.object(|key, scanner| match &*key.name {
                "index" => {
                    index = scanner.skip()?.as_u64();
                    Ok(())
                }
                "embedding" => self.vector(0, scanner),
                _ => Ok(()),
            })?;
            let entry =
                index.map_or(Some(place), |index| usize::try_from(index).ok()).filter(|at| *at < self.most);
            match entry {
                Some(entry) => {
                    if let Some(seen) = seen.get_mut(entry) {
                        self.twice |= std::mem::replace(seen, true);
                    }
                    for found in self.found.iter_mut().skip(from) {
                        (found.entry, found.place) = (entry, place);
                    }
                }
                None => self.found.truncate(from),
            }
            place += 1;
            Ok(())
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(response: &str, most: usize) -> Option<Vec<(usize, String)>> {
        let found = read(response.as_bytes(), most)?;
        Some(found.into_iter().map(|found| (found.entry, found.vector.text().to_owned())).collect())
    }

    #[test]
    fn the_vectors_of_every_services_response_are_found() {
        for (response, vectors) in [
            (r#"{"data":[{"index":0,"embedding":[1,2]}]}"#, vec![(0, "[1,2]")]),
            (r#"{"data":[{"embedding":"AAAA","object":"embedding","index":0}]}"#, vec![(0, "\"AAAA\"")]),
            (r#"{"embeddings":[[1,2],[3,4]],"texts":["[5]"]}"#, vec![(0, "[1,2]"), (1, "[3,4]")]),
            (r#"{"embeddings":{"float":[[1,2]],"int8":[[3,4]]}}"#, vec![(0, "[1,2]"), (0, "[3,4]")]),
            (r#"{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}"#, vec![(0, "[1,2]"), (1, "[3,4]")]),
            (r#"{"embedding":{"values":[1,2]}}"#, vec![(0, "[1,2]")]),
            (
                r#"{"predictions":[{"embeddings":{"statistics":{"truncated":false},"values":[1,2]}}]}"#,
                vec![(0, "[1,2]")],
            ),
            (r#"{"embedding":[1,2]}"#, vec![(0, "[1,2]")]),
            (r#"[[1,2],[3,4]]"#, vec![(0, "[1,2]"), (1, "[3,4]")]),
            (r#"[1,2]"#, vec![(0, "[1,2]")]),
        ] {
            let vectors = vectors.into_iter().map(|(entry, text)| (entry, text.to_owned())).collect();
            assert_eq!(found(response, 2), Some(vectors), "{response}");
        }
    }

    #[test]
    fn an_entry_of_openais_list_belongs_to_the_text_that_it_names() {
        let turned = r#"{"data":[{"index":1,"embedding":[3,4]},{"embedding":[1,2],"index":0}]}"#;
        assert_eq!(found(turned, 2), Some(vec![(1, "[3,4]".to_owned()), (0, "[1,2]".to_owned())]));
        assert_eq!(found(turned, 1), Some(vec![(0, "[1,2]".to_owned())]), "the other one is not wanted");
        let none = r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4]}]}"#;
        assert_eq!(found(none, 2), Some(vec![(0, "[1,2]".to_owned()), (1, "[3,4]".to_owned())]));
    }

    #[test]
    fn where_all_entries_name_one_text_their_order_counts() {
        let same = r#"{"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[3,4]}]}"#;
        assert_eq!(found(same, 2), Some(vec![(0, "[1,2]".to_owned()), (1, "[3,4]".to_owned())]));
        assert_eq!(found(same, 1), Some(vec![(0, "[1,2]".to_owned())]));
    }

    #[test]
    fn an_error_has_no_vectors() {
        for response in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"error":{"message":"no"}}"#,
            r#"{"data":[]}"#,
            r#"{"data":[{"index":7,"embedding":[1,2]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1,2]}"#,
        ] {
            assert_eq!(found(response, 2), None, "{response}");
        }
        let many = format!("[{}[1,2]]", "[1,2],".repeat(MOST_FOUND));
        assert_eq!(found(&many, usize::MAX), None, "more than was asked for");
    }
}
