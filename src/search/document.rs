//! [`Document`]: a text to score.

use std::{fmt, sync::Arc};

use super::NameSlot;

/// A text to score. That of a hit is made when it is first read: where its score is cached, it never is.
#[derive(Clone)]
pub struct Document(Source);

#[derive(Clone)]
enum Source {
    Text(Arc<str>),
    /// One of several that are made when they are read, by its number.
    Made(Arc<dyn Texts>, usize),
}

/// Texts that are made when they are read.
pub trait Texts: Send + Sync {
    /// The text of this number; never blank.
    fn text(&self, at: usize) -> &str;
    /// About as many bytes as it has, never fewer.
    fn size(&self, at: usize) -> usize;
    /// Writes it as a JSON string without making it, if it is certain that it has no more than `most` bytes and what it is.
    /// Returns whether it has; else nothing is written.
    fn write_json(&self, at: usize, most: usize, out: &mut Vec<u8>) -> bool;
    /// How many bytes at its beginning stand before the last field that it is made of: a title, mostly.
    fn head(&self, at: usize) -> usize;
    /// The bytes that identify it, piece by piece, without making it. No text has such bytes.
    fn identity(&self, at: usize, piece: &mut dyn FnMut(&[u8]));
    /// Where its name in the score cache is kept, if it is.
    fn kept_name(&self, _at: usize) -> Option<&NameSlot> {
        None
    }
}

/// A text with a head.
struct Headed {
    text: Arc<str>,
    head: usize,
}

impl Texts for Headed {
    fn text(&self, _: usize) -> &str {
        &self.text
    }

    fn size(&self, _: usize) -> usize {
        self.text.len()
    }

    fn write_json(&self, _: usize, _: usize, _: &mut Vec<u8>) -> bool {
        false
    }

    fn head(&self, _: usize) -> usize {
        self.head
    }

    fn identity(&self, _: usize, piece: &mut dyn FnMut(&[u8])) {
        piece(self.text.as_bytes());
    }
}

impl Document {
    /// One that is there, with so many bytes at its beginning that stand before the last field that it is made of.
    pub fn headed(text: Arc<str>, head: usize) -> Self {
        // Most have none, and take less room without.
        if head == 0 { text.into() } else { Self::made(Arc::new(Headed { text, head }), 0) }
    }

    /// One that is made when it is read.
    pub fn made(texts: Arc<dyn Texts>, at: usize) -> Self {
        Self(Source::Made(texts, at))
    }

    /// The text; never blank.
    pub fn text(&self) -> &str {
        match &self.0 {
            Source::Text(text) => text,
            Source::Made(texts, at) => texts.text(*at),
        }
    }

    /// About as many bytes as its text has, never fewer: escapes where it is written may make it longer.
    pub fn size(&self) -> usize {
        match &self.0 {
            Source::Text(text) => text.len(),
            Source::Made(texts, at) => texts.size(*at),
        }
    }

    /// What stands before the last field that it is made of: a title, mostly. Makes its text.
    pub fn head(&self) -> &str {
        let head = match &self.0 {
            Source::Text(_) => 0,
            Source::Made(texts, at) => texts.head(*at),
        };
        self.text().get(..head).unwrap_or_default()
    }

    /// Writes its text as a JSON string where that needs no text to be made, and where it certainly has no more than
    /// `most` bytes. Returns whether it has; else nothing is written.
    pub fn write_json(&self, most: usize, out: &mut Vec<u8>) -> bool {
        match &self.0 {
            Source::Text(_) => false,
            Source::Made(texts, at) => texts.write_json(*at, most, out),
        }
    }

    /// The bytes that identify this document, piece by piece: its text, or what it is made of. No text is made for
    /// them, so that the same text has two cache keys if it is written in two ways.
    pub fn identity(&self, mut piece: impl FnMut(&[u8])) {
        match &self.0 {
            Source::Text(text) => piece(text.as_bytes()),
            Source::Made(texts, at) => texts.identity(*at, &mut piece),
        }
    }

    /// Where its name in the score cache is kept, if it is.
    pub fn kept_name(&self) -> Option<&NameSlot> {
        match &self.0 {
            Source::Text(_) => None,
            Source::Made(texts, at) => texts.kept_name(*at),
        }
    }

    /// Whether its text is made when it is read.
    pub fn is_made(&self) -> bool {
        matches!(self.0, Source::Made(..))
    }
}

impl From<Arc<str>> for Document {
    fn from(text: Arc<str>) -> Self {
        Self(Source::Text(text))
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self(Source::Text(text.into()))
    }
}

impl fmt::Debug for Document {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(..)")
    }
}
