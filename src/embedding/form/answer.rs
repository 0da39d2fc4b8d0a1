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
}

/// How many vectors are read at most: a few types of numbers for each of as many texts as are ever remembered.
const MOST_FOUND: usize = 8 * MOST;

/// The vectors of a response to a request with so many entries; `None` where it has none.
///
/// The shapes: `data[].embedding` with `data[].index` (OpenAI), `embeddings[][]` (Cohere, Ollama), `embeddings.TYPE[][]`
/// (Cohere), `embeddings[].values`, `embedding.values` and `predictions[].embeddings.values` (Google), `embedding[]`
/// (Ollama), `[][]` and `[]` (Text Embeddings Inference).
///
/// Where order alone says which vector is whose, there have to be as many as entries: a service that leaves one out would
/// give every later text the vector of another one.
pub(super) fn read(response: &[u8], entries: usize) -> Option<Vec<Found<'_>>> {
    let mut walk = Walk { entries, found: Vec::new() };
    Scanner::whole(response, |scanner| walk.root(scanner)).ok()?;
    Some(walk.found).filter(|found| !found.is_empty())
}

struct Walk<'a> {
    /// How many the request had.
    entries: usize,
    found: Vec<Found<'a>>,
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
            "embedding" if self.entries == 1 => self.vector(0, scanner),
            _ => Ok(()),
        })?;
        Ok(())
    }

    fn keep(&mut self, entry: usize, vector: Value<'a>) -> ScanResult<()> {
        if self.found.len() == MOST_FOUND {
            return Err(Malformed);
        }
        self.found.push(Found { entry, vector });
        Ok(())
    }

    /// One vector per entry, in their order; or the numbers of a single one.
    fn list(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        let (from, mut entry, mut flat) = (self.found.len(), 0, false);
        let list = scanner.items(|scanner| {
            flat |= scanner.kind() == Kind::Number;
            if flat {
                return Ok(());
            }
            self.vector(entry, scanner)?;
            entry += 1;
            Ok(())
        })?;
        match list {
            Some(list) if flat && entry == 0 && self.entries == 1 => self.keep(0, list)?,
            _ if entry != self.entries => self.found.truncate(from),
            _ => {}
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

    /// OpenAI's list, whose entries say themselves which ones they are. Where they do not, or two say the same (some
    /// servers say 0 of each), their order counts, as for clients.
    fn data(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        let from = self.found.len();
        let (mut places, mut seen, mut is_ordered) = (Vec::new(), vec![false; self.entries], false);
        scanner.items(|scanner| {
            let (place, mut index) = (self.found.len(), None);
            scanner.object(|key, scanner| match &*key.name {
                "index" => {
                    index = scanner.skip()?.as_u64();
                    Ok(())
                }
                "embedding" => self.vector(0, scanner),
                _ => Ok(()),
            })?;
            let index = index.and_then(|index| usize::try_from(index).ok());
            match index.and_then(|index| seen.get_mut(index)) {
                Some(seen) if !*seen => *seen = true,
                _ => is_ordered = true,
            }
            places.push(self.found.len());
            self.found.iter_mut().skip(place).for_each(|found| found.entry = index.unwrap_or_default());
            Ok(())
        })?;
        if is_ordered && places.len() != self.entries {
            self.found.truncate(from);
        } else if is_ordered {
            for (at, found) in self.found.iter_mut().enumerate().skip(from) {
                found.entry = places.partition_point(|end| *end <= at);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(response: &str, entries: usize) -> Option<Vec<(usize, String)>> {
        let found = read(response.as_bytes(), entries)?;
        Some(found.into_iter().map(|found| (found.entry, found.vector.text().to_owned())).collect())
    }

    #[test]
    fn the_vectors_of_every_services_response_are_found() {
        let one = || vec![(0, "[1,2]")];
        let two = || vec![(0, "[1,2]"), (1, "[3,4]")];
        for (response, entries, vectors) in [
            (r#"{"data":[{"index":0,"embedding":[1,2]}]}"#, 1, one()),
            (r#"{"data":[{"embedding":"AAAA","object":"embedding","index":0}]}"#, 1, vec![(0, "\"AAAA\"")]),
            (r#"{"embeddings":[[1,2],[3,4]],"texts":["[5]"]}"#, 2, two()),
            (r#"{"embeddings":{"float":[[1,2]],"int8":[[3,4]]}}"#, 1, vec![(0, "[1,2]"), (0, "[3,4]")]),
            (r#"{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}"#, 2, two()),
            (r#"{"embedding":{"values":[1,2]}}"#, 1, one()),
            (
                r#"{"predictions":[{"embeddings":{"statistics":{"truncated":false},"values":[1,2]}}]}"#,
                1,
                one(),
            ),
            (r#"{"embedding":[1,2]}"#, 1, one()),
            (r#"[[1,2],[3,4]]"#, 2, two()),
            (r#"[1,2]"#, 1, one()),
        ] {
            let vectors = vectors.into_iter().map(|(entry, text)| (entry, text.to_owned())).collect();
            assert_eq!(found(response, entries), Some(vectors), "{response}");
        }
    }

    #[test]
    fn an_entry_of_openais_list_belongs_to_the_text_that_it_names() {
        let turned = r#"{"data":[{"index":1,"embedding":[3,4]},{"embedding":[1,2],"index":0}]}"#;
        assert_eq!(found(turned, 2), Some(vec![(1, "[3,4]".to_owned()), (0, "[1,2]".to_owned())]));
        let second = r#"{"data":[{"index":1,"embedding":[3,4]}]}"#;
        assert_eq!(found(second, 2), Some(vec![(1, "[3,4]".to_owned())]), "the first one was left out");
        let none = r#"{"data":[{"embedding":[1,2]},{"embedding":[3,4]}]}"#;
        assert_eq!(found(none, 2), Some(vec![(0, "[1,2]".to_owned()), (1, "[3,4]".to_owned())]));
    }

    #[test]
    fn where_all_entries_name_one_text_their_order_counts() {
        let same = r#"{"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[3,4]}]}"#;
        assert_eq!(found(same, 2), Some(vec![(0, "[1,2]".to_owned()), (1, "[3,4]".to_owned())]));
    }

    #[test]
    fn where_order_counts_and_a_vector_is_missing_none_is_taken() {
        for response in [
            r#"{"data":[{"embedding":[1,2]}]}"#,
            r#"{"data":[{"index":7,"embedding":[1,2]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]}"#,
            r#"{"embeddings":[[1,2]]}"#,
            r#"{"embeddings":{"float":[[1,2],[3,4],[5,6]]}}"#,
            r#"{"embedding":[1,2]}"#,
            "[[1,2]]",
            "[1,2]",
        ] {
            assert_eq!(found(response, 2), None, "{response}");
        }
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
            r#"{"data":[{"index":0,"embedding":[1,2]}"#,
        ] {
            assert_eq!(found(response, 2), None, "{response}");
        }
        let many = format!("[{}[1,2]]", "[1,2],".repeat(MOST_FOUND));
        assert_eq!(found(&many, MOST_FOUND + 1), None, "more than was asked for");
    }
}
