//! The text of one entry of a list of texts, in any of the ways in which services take it.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{
    Skip,
    tokens::{self, Vocabulary},
};
use crate::wire::{
    Kind,
    json::{Scanner, Value},
};

/// A text, a list of token ids, an object with a text (Jina), or one with parts of which each is a text (Cohere,
/// Google, Voyage). What has a picture in it has no text: the vector is not that of its words alone.
pub(super) fn text_of(entry: Value<'_>, vocabulary: Option<Vocabulary>) -> Result<Zeroizing<String>, Skip> {
    match entry.kind() {
        Kind::String => Ok(owned(entry.as_str().ok_or(Skip::BadRequest)?)),
        Kind::Array if tokens::is_ids(entry) => tokens::text_of(entry, vocabulary),
        Kind::Object => of_object(entry),
        _ => Err(Skip::BadRequest),
    }
}

fn owned(text: Cow<'_, str>) -> Zeroizing<String> {
    Zeroizing::new(text.into_owned())
}

fn of_object(object: Value<'_>) -> Result<Zeroizing<String>, Skip> {
    if object.get("image").is_some_and(|image| !image.is_null()) {
        return Err(Skip::Empty);
    }
    if let Some(text) = object.get("text") {
        return text.as_str().map(owned).ok_or(Skip::Empty);
    }
    let content = object.get("content").or_else(|| object.get("parts")).ok_or(Skip::Empty)?;
    match content.kind() {
        Kind::String => Ok(owned(content.as_str().ok_or(Skip::BadRequest)?)),
        Kind::Array => of_parts(content),
        // A list of one may be written without its brackets in Google's JSON.
        Kind::Object => content.get("text").and_then(Value::as_str).map(owned).ok_or(Skip::Empty),
        _ => Err(Skip::BadRequest),
    }
}

/// Parts have one vector together, and so one text: a line of each.
fn of_parts(parts: Value<'_>) -> Result<Zeroizing<String>, Skip> {
    // Room for all at once: a string that grew would leave copies of the text behind.
    let mut text = Zeroizing::new(String::with_capacity(parts.text().len()));
    let (mut count, mut all_text) = (0, true);
    let read = Scanner::whole(parts.text().as_bytes(), |scanner| {
        scanner.items(|scanner| {
            match scanner.skip()?.get("text").and_then(Value::as_str).map(owned) {
                Some(part) => {
                    text.push_str(if count == 0 { "" } else { "\n" });
                    text.push_str(&part);
                    count += 1;
                }
                None => all_text = false,
            }
            Ok(())
        })
    });
    match read {
        Err(_) => Err(Skip::BadRequest),
        Ok(_) if all_text => Ok(text),
        Ok(_) => Err(Skip::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(entry: &str) -> Result<String, Skip> {
        text_of(Value::parse(entry.as_bytes()).unwrap(), None).map(|text| text.to_string())
    }

    #[test]
    fn a_text_is_read_in_every_way_that_it_is_written_in() {
        for (entry, read) in [
            (r#""a \u00e9\n""#, "a é\n"),
            (r#"{"text":"a"}"#, "a"),
            (r#"{"content":[{"type":"text","text":"a"}]}"#, "a"),
            (r#"{"content":"a"}"#, "a"),
            (r#"{"parts":[{"text":"a"},{"text":"b"}],"role":"user"}"#, "a\nb"),
            (r#"{"parts":{"text":"a"}}"#, "a"),
            (r#"{"parts":[]}"#, ""),
        ] {
            assert_eq!(text(entry).as_deref(), Ok(read), "{entry}");
        }
    }

    #[test]
    fn what_has_a_picture_in_it_has_no_text() {
        for entry in [
            r#"{"image":"https://example.org/a.png"}"#,
            r#"{"parts":[{"text":"a"},{"inlineData":{"data":""}}]}"#,
            r#"{"content":[{"type":"image_url","image_url":{"url":"x"}}]}"#,
            r#"{"text":"a","image":"x"}"#,
            r#"{"text":null}"#,
        ] {
            assert_eq!(text(entry), Err(Skip::Empty), "{entry}");
        }
        for entry in ["1", "null", r#"["a"]"#, r#"{"content":1}"#] {
            assert_eq!(text(entry), Err(Skip::BadRequest), "{entry}");
        }
    }
}
