//! Requests with the texts in one member of one object: those of OpenAI, Cohere, Ollama and Text Embeddings Inference.

use std::borrow::Cow;

use super::{
    Asked, Prefixes, Remember, Skip,
    remember::{MOST, Mark, judge},
    text,
    tokens::Vocabulary,
    vectors::Element,
};
use crate::wire::{
    Kind,
    json::{Malformed, ScanResult, Scanner, Value},
};

/// The texts of a request. `default` is the vocabulary of token ids where the model's name says none.
pub(super) fn read(
    request: &[u8],
    how: Remember,
    prefixes: &Prefixes,
    default: Option<Vocabulary>,
) -> Result<Asked, Skip> {
    let mut walk = Walk::default();
    let read = Scanner::whole(request, |scanner| walk.root(scanner));
    if walk.is_long {
        return Err(if walk.mark == Mark::Document { Skip::Document } else { Skip::LongList });
    }
    read.map_err(|_| Skip::BadRequest)?;
    let Some(input) = walk.input.or(walk.prompt.map(Input::One)) else {
        return Err(if walk.has_images { Skip::Empty } else { Skip::BadRequest });
    };
    let (mark, count) =
        (walk.mark.max(walk.model.as_deref().map(Mark::of_model).unwrap_or_default()), input.len());
    judge(how, mark, count)?;
    let vocabulary = walk.model.as_deref().and_then(Vocabulary::of).or(default);
    let texts = match input {
        Input::One(one) => prefixes.texts([text::text_of(one, vocabulary)]),
        Input::Many(many) => prefixes.texts(many.into_iter().map(|entry| text::text_of(entry, vocabulary))),
    };
    Ok(Asked::new(texts?, count, walk.element))
}

enum Input<'a> {
    /// One text, or the token ids of one.
    One(Value<'a>),
    Many(Vec<Value<'a>>),
}

impl Input<'_> {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }
}

/// What a request says. Of members that repeat, the last one counts; of several marks, the one that remembers least.
#[derive(Default)]
struct Walk<'a> {
    input: Option<Input<'a>>,
    /// Ollama's older name for the text. Beside another one it is an instruction to the model (Mixedbread).
    prompt: Option<Value<'a>>,
    has_images: bool,
    /// The list is longer than any that is remembered: what follows has not been read.
    is_long: bool,
    mark: Mark,
    model: Option<Cow<'a, str>>,
    element: Element,
}

impl<'a> Walk<'a> {
    fn root(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        let object = scanner.object(|key, scanner| {
            match &*key.name {
                "input" | "inputs" | "texts" => self.input(scanner)?,
                "prompt" => self.prompt = Some(scanner.skip()?).filter(|prompt| !prompt.is_null()),
                "images" => self.has_images = true,
                "input_type" | "task" | "task_type" | "prompt_name" => {
                    let mark = scanner.skip()?.as_str().map_or(Mark::None, |word| Mark::read(&word));
                    self.mark = self.mark.max(mark);
                }
                "output_dtype" | "embedding_type" => {
                    self.element =
                        scanner.skip()?.as_str().map(|word| Element::read(&word)).unwrap_or_default();
                }
                "model" => self.model = scanner.skip()?.as_str(),
                _ => {}
            }
            Ok(())
        })?;
        object.map(drop).ok_or(Malformed)
    }

    fn input(&mut self, scanner: &mut Scanner<'a>) -> ScanResult<()> {
        if scanner.kind() != Kind::Array {
            let one = scanner.skip()?;
            if !one.is_null() {
                self.input = Some(Input::One(one));
            }
            return Ok(());
        }
        let (mut many, mut is_ids) = (Vec::new(), false);
        let list = scanner.items(|scanner| {
            is_ids |= many.is_empty() && scanner.kind() == Kind::Number;
            if is_ids {
                return Ok(());
            }
            self.is_long = many.len() == MOST;
            if self.is_long {
                return Err(Malformed);
            }
            many.push(scanner.skip()?);
            Ok(())
        })?;
        self.input = if is_ids { list.map(Input::One) } else { Some(Input::Many(many)) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of a request, each with its place; or why there are none.
    fn texts(request: &str) -> Result<usize, Skip> {
        read(request.as_bytes(), Remember::Auto, &Prefixes::default(), None).map(|asked| asked.texts())
    }

    /// The text of a request of one.
    fn text(request: &str) -> Result<String, Skip> {
        let asked = read(request.as_bytes(), Remember::Auto, &Prefixes::default(), None)?;
        let mut read = String::new();
        asked.pairs(b"[[1,2]]", &mut |text, _| text.clone_into(&mut read))?;
        Ok(read)
    }

    #[test]
    fn a_text_is_found_under_every_services_name_for_it() {
        for request in [
            r#"{"input":"a","model":"m"}"#,
            r#"{"model":"m","input":["a"]}"#,
            r#"{"texts":["a"],"input_type":"search_query"}"#,
            r#"{"inputs":"a","normalize":true}"#,
            r#"{"inputs":[{"content":[{"type":"text","text":"a"}]}]}"#,
            r#"{"input":[{"text":"a"}],"task":"retrieval.query"}"#,
            r#"{"model":"m","prompt":"a"}"#,
            r#"{"input":null,"inputs":"a"}"#,
            r#"{"model":"text-embedding-3-small","input":[64]}"#,
            r#"{"input":[[64]],"model":"text-embedding-3-small"}"#,
            r#"{"input":"b","input":"a"}"#,
        ] {
            assert_eq!(text(request).as_deref(), Ok("a"), "{request}");
        }
    }

    #[test]
    fn an_instruction_to_the_model_is_no_question() {
        for request in
            [r#"{"input":["a"],"prompt":"Represent it"}"#, r#"{"prompt":"Represent it","input":["a"]}"#]
        {
            assert_eq!(text(request).as_deref(), Ok("a"), "{request}");
        }
    }

    #[test]
    fn a_document_is_not_remembered_whatever_says_so() {
        for request in [
            r#"{"input":["a"],"input_type":"passage"}"#,
            r#"{"input_type":"query","input":["a"],"prompt_name":"document"}"#,
            r#"{"input":["a"],"model":"m-passage","input_type":"query"}"#,
            r#"{"input":"passage: a"}"#,
        ] {
            assert_eq!(text(request), Err(Skip::Document), "{request}");
        }
    }

    #[test]
    fn what_has_no_text_says_why() {
        for (request, skip) in [
            ("", Skip::BadRequest),
            ("[]", Skip::BadRequest),
            (r#"{"model":"m"}"#, Skip::BadRequest),
            (r#"{"input":7}"#, Skip::BadRequest),
            (r#"{"input":"a"} x"#, Skip::BadRequest),
            (r#"{"input":[]}"#, Skip::Empty),
            (r#"{"input":""}"#, Skip::Empty),
            (r#"{"images":["data:image/png;base64,"],"model":"m"}"#, Skip::Empty),
            (r#"{"input":[[101,2054,102]],"model":"bge-m3"}"#, Skip::Tokens),
            (r#"{"input":[101,2054,102]}"#, Skip::Tokens),
        ] {
            assert_eq!(texts(request), Err(skip), "{request}");
        }
    }

    #[test]
    fn a_long_list_is_left_without_reading_it() {
        let list = |length: usize| format!(r#"{{"input":[{}"a"]}}"#, r#""a","#.repeat(length - 1));
        assert_eq!(texts(&list(16)), Ok(16));
        assert_eq!(texts(&list(17)), Err(Skip::LongList));
        // Not even whether it ends.
        let endless = format!(r#"{{"input":[{}"#, r#""a","#.repeat(300));
        assert_eq!(texts(&endless), Err(Skip::LongList));
    }
}
