//! Parameters of a query string or a form: `name=value` with `&` between them.

use std::{borrow::Cow, ops::Range};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is not escaped in a value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The most parameters that are read.
const MOST: usize = 4096;

/// One parameter.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// Decoded.
    pub(super) value: String,
    /// Where the value stands.
    place: Range<usize>,
}

/// Parameters by name; those of one name in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<Parameter>);

/// What is to be said of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewValue {
    pub(super) name: String,
    pub(super) value: String,
}

impl Parameters {
    /// `None` where they are too many, or one is no text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (mut all, mut start) = (Vec::new(), 0);
        for part in text.split('&') {
            let end = start + part.len();
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !part.is_empty() {
                if all.len() == MOST {
                    return None;
                }
                let place = end - value.len()..end;
                all.push(Parameter { name: decoded(name)?, value: decoded(value)?, place });
            }
            start = end + 1;
        }
        // A batch looks them up once per search.
        all.sort_by(|one: &Parameter, other| one.name.cmp(&other.name));
        Some(Self(all))
    }

    /// The values of a parameter.
    pub(super) fn values<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Parameter> + use<'a, 'n> {
        let start = self.0.partition_point(|each| each.name.as_str() < name);
        self.0.get(start..).unwrap_or_default().iter().take_while(move |each| each.name == name)
    }

    /// What is held beside it, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        let each = |each: &Parameter| each.name.capacity() + each.value.capacity();
        self.0.capacity() * size_of::<Parameter>() + self.0.iter().map(each).sum::<usize>()
    }

    /// `text`, which they were read from, with other values; those that are not there are added.
    pub(super) fn with(&self, text: &str, new: &[NewValue]) -> String {
        let mut changed: Vec<(&Range<usize>, &NewValue)> = Vec::new();
        let mut added = Vec::new();
        for each in new {
            match self.values(&each.name).next() {
                Some(there) => changed.push((&there.place, each)),
                None => added.push(each),
            }
        }
        changed.sort_by_key(|(place, _)| place.start);
        let (mut out, mut done) = (String::with_capacity(text.len() + 64), 0);
        for (place, new) in changed {
            out.push_str(text.get(done..place.start).unwrap_or_default());
            if !text.get(..place.start).is_some_and(|before| before.ends_with('=')) {
                out.push('=');
            }
            out.extend(utf8_percent_encode(&new.value, VALUE));
            done = place.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        for new in added {
            if !out.is_empty() && !out.ends_with('&') {
                out.push('&');
            }
            out.extend(utf8_percent_encode(&new.name, VALUE));
            out.push('=');
            out.extend(utf8_percent_encode(&new.value, VALUE));
        }
        out
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, new: &[(&str, &str)]) -> String {
        let new: Vec<NewValue> = new
            .iter()
            .map(|(name, value)| NewValue { name: (*name).to_owned(), value: (*value).to_owned() })
            .collect();
        Parameters::read(text).unwrap().with(text, &new)
    }

    #[test]
    fn a_parameter_is_changed_where_it_stands_and_the_others_keep_their_bytes() {
        assert_eq!(with("q=a+b%20c&rows=5&x", &[("rows", "50")]), "q=a+b%20c&rows=50&x");
        assert_eq!(with("q=a&rows=5", &[("start", "0"), ("rows", "50")]), "q=a&rows=50&start=0");
        assert_eq!(with("", &[("a b", "c&d")]), "a%20b=c%26d");
        assert_eq!(with("rows&q=%C3%A9", &[("rows", "7")]), "rows=7&q=%C3%A9");
        assert_eq!(with("&&q=1&", &[("r", "2")]), "&&q=1&r=2");
    }

    #[test]
    fn values_are_decoded_and_what_is_no_text_is_not_read() {
        let read = Parameters::read("q=train+refund%21&z=9&q=2&=3&a=1").unwrap();
        let values: Vec<&str> = read.values("q").map(|each| each.value.as_str()).collect();
        assert_eq!(values, ["train refund!", "2"]);
        assert!(Parameters::read("q=%ff").is_none());
    }
}
