//! Google's requests: one `content`, or several `requests` with a `content` each, or Vertex AI's `instances`.
//!
//! Names are taken in both spellings, as Google takes them (`taskType`, `task_type`).

use super::{
    Asked, Prefixes, Remember, Skip,
    remember::{MOST, Mark, judge},
    text,
    vectors::Element,
};
use crate::wire::{
    Kind,
    json::{Malformed, ScanResult, Scanner, Value},
};

/// The texts of a request.
pub(super) fn read(request: &[u8], how: Remember, prefixes: &Prefixes) -> Result<Asked, Skip> {
    let mut walk = Walk::default();
    let read = Scanner::whole(request, |scanner| walk.root(scanner));
    if walk.is_long {
        return Err(Skip::LongList);
    }
    read.map_err(|_| Skip::BadRequest)?;
    let entries = walk.entries();
    if entries.is_empty() {
        return Err(Skip::BadRequest);
    }
    let count = entries.len();
    let texts = prefixes.texts(entries.into_iter().map(|entry| {
        judge(how, entry.mark, count)?;
        text::text_of(entry.content, None)
    }));
    Ok(Asked::new(texts?, count, Element::Float))
}

/// One text, and what its own request says of it.
struct Entry<'a> {
    content: Value<'a>,
    mark: Mark,
}

#[derive(Default)]
struct Walk<'a> {
    many: Vec<Entry<'a>>,
    single: Single<'a>,
    is_long: bool,
}

/// What is said of a text.
#[derive(Default)]
struct Single<'a> {
    content: Option<Value<'a>>,
    mark: Mark,
}

impl<'a> Single<'a> {
    fn entry(self) -> Option<Entry<'a>> {
        Some(Entry { content: self.content?, mark: self.mark })
    }

    /// Takes a member that says something.
    fn member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        match name {
            "content" => self.content = Some(scanner.skip()?).filter(|content| !content.is_null()),
            "taskType" | "task_type" => self.mark = mark(scanner.skip()?).unwrap_or(self.mark),
            "embedContentConfig" | "embed_content_config" => {
                scanner.object(|key, scanner| {
                    if matches!(&*key.name, "taskType" | "task_type") {
                        self.mark = mark(scanner.skip()?).unwrap_or(self.mark);
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn mark(task: Value<'_>) -> Option<Mark> {
    match task.kind() {
        Kind::String => task.as_str().map(|word| Mark::read(&word)),
        Kind::Number => task.as_u64().map(Mark::of_google),
        _ => None,
    }
}

impl<'a> Walk<'a> {
    fn root(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        let object = scanner.object(|key, scanner| match &*key.name {
            "requests" | "instances" => self.many(scanner),
            name => self.single.member(name, scanner),
        })?;
        object.map(drop).ok_or(Malformed)
    }

    fn many(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        self.many.clear();
        scanner.items(|scanner| {
            self.is_long = self.many.len() == MOST;
            let mut single = Single::default();
            let object = scanner.object(|key, scanner| single.member(&key.name, scanner))?;
            match single.entry() {
                Some(entry) if object.is_some() && !self.is_long => self.many.push(entry),
                _ => return Err(Malformed),
            }
            Ok(())
        })?;
        Ok(())
    }

    fn entries(self) -> Vec<Entry<'a>> {
        if self.many.is_empty() { self.single.entry().into_iter().collect() } else { self.many }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of a request, in their order.
    fn texts(request: &str) -> Result<Vec<String>, Skip> {
        let asked = read(request.as_bytes(), Remember::Auto, &Prefixes::default())?;
        let mut texts = Vec::new();
        for response in
            [r#"{"embedding":{"values":[1,2]}}"#, r#"{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}"#]
        {
            // The one of as many vectors as there are entries.
            let _ = asked.pairs(response.as_bytes(), &mut |text, _| texts.push(text.to_owned()));
        }
        Ok(texts)
    }

    #[test]
    fn a_text_is_read_from_one_content_from_a_batch_and_from_instances() {
        for (request, read) in [
            (r#"{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}"#, &["a"][..]),
            (r#"{"model":"models/m","content":{"parts":[{"text":"a"},{"text":"b"}]}}"#, &["a\nb"]),
            (
                r#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#,
                &["a", "b"],
            ),
            (r#"{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"}],"parameters":{}}"#, &["a"]),
            (
                r#"{"content":{"parts":[{"text":"a"}]},"embedContentConfig":{"taskType":"QUESTION_ANSWERING"}}"#,
                &["a"],
            ),
        ] {
            assert_eq!(texts(request).unwrap(), read, "{request}");
        }
    }

    #[test]
    fn a_task_for_documents_is_not_remembered_wherever_it_stands() {
        for request in [
            r#"{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_DOCUMENT"}"#,
            r#"{"content":{"parts":[{"text":"a"}]},"task_type":2}"#,
            r#"{"embedContentConfig":{"taskType":"RETRIEVAL_DOCUMENT"},"content":{"parts":[{"text":"a"}]}}"#,
            r#"{"requests":[{"taskType":"RETRIEVAL_DOCUMENT","content":{"parts":[{"text":"a"}]}}]}"#,
            r#"{"instances":[{"content":"a","task_type":"RETRIEVAL_DOCUMENT","title":"t"}]}"#,
        ] {
            assert_eq!(texts(request), Err(Skip::Document), "{request}");
        }
        let one_of_each = r#"{"requests":[{"taskType":"RETRIEVAL_DOCUMENT","content":{"parts":[{"text":"a"}]}},
            {"taskType":"RETRIEVAL_QUERY","content":{"parts":[{"text":"b"}]}}]}"#;
        assert_eq!(texts(one_of_each).unwrap(), ["b"]);
    }

    #[test]
    fn what_is_no_request_of_googles_is_bad() {
        for request in [
            "",
            "[]",
            "{}",
            r#"{"requests":[]}"#,
            r#"{"requests":[{}]}"#,
            r#"{"requests":[7]}"#,
            r#"{"content":7}"#,
        ] {
            assert_eq!(texts(request), Err(Skip::BadRequest), "{request}");
        }
    }
}
