//! The texts of a call that are worth remembering, until the response brings their vectors.

use std::fmt;

use zeroize::Zeroizing;

use super::{
    Skip, answer,
    vectors::{Element, Reader},
};

/// The texts of an embedding call that are to be remembered. They are cleared from memory with it.
pub struct Asked {
    /// Each with its place among the entries of the request, in that order.
    texts: Vec<(usize, Zeroizing<String>)>,
    /// How many entries the request has, those that are not remembered too.
    entries: usize,
    element: Element,
}

impl fmt::Debug for Asked {
    /// Without the texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({} texts)", self.texts.len())
    }
}

impl Asked {
    pub(super) fn new(texts: Vec<(usize, Zeroizing<String>)>, entries: usize, element: Element) -> Self {
        Self { texts, entries, element }
    }

    /// How many texts there are: at least one.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// Gives each text with each vector that a response has for it, and says how many times: more than once per text
    /// where the service was asked for several types of numbers, any of which the search may carry.
    ///
    /// `response` is the whole body without content codings. Components are 64-bit floats rounded to 32 bits, or whole
    /// numbers where bytes or packed bits were asked for: as a search for them has them.
    pub fn pairs(&self, response: &[u8], each: &mut dyn FnMut(&str, &[f32])) -> Result<usize, Skip> {
        let found = answer::read(response, self.entries).ok_or(Skip::BadResponse)?;
        let (mut reader, mut pairs) = (Reader::default(), 0);
        for found in found {
            let Ok(at) = self.texts.binary_search_by_key(&found.entry, |(entry, _)| *entry) else { continue };
            let Some((_, text)) = self.texts.get(at) else { continue };
            if let Some(vector) = reader.read(found.vector, self.element) {
                each(text, vector);
                pairs += 1;
            }
        }
        if pairs == 0 { Err(Skip::BadResponse) } else { Ok(pairs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_shows_when_it_is_printed_for_a_log() {
        let asked = Asked::new(vec![(0, Zeroizing::new("a secret".to_owned()))], 1, Element::Float);
        assert_eq!(format!("{asked:?} {asked:#?}"), "Asked(1 texts) Asked(1 texts)");
    }
}
