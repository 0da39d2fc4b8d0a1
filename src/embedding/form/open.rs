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
    let input = walk.input.ok_or(Skip::BadRequest)?;
    judge(how, walk.mark, input.len())?;
    let vocabulary = walk.model.as_deref().and_then(Vocabulary::of).or(default);
    let texts = match input {
        Input::One(one) => prefixes.texts([text::text_of(one, vocabulary)]),
        Input::Many(many) => prefixes.texts(many.into_iter().map(|entry| text::text_of(entry, vocabulary))),
    };
    Ok(Asked::new(texts?, walk.element))
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
                "input" | "inputs" | "texts" | "prompt" => self.input(scanner)?,
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
