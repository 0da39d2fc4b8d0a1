//! A document as a JSON string, straight from the JSON string that it is made of: what a provider is sent without a text in between.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u8x32};

use super::clean::{Change, change};

/// How many bytes are compared at once.
const BLOCK: usize = 32;

/// Writes what [`clean::string`](super::clean::string) makes of the string that stands between quotes as `inner`, as a JSON
/// string. Returns false, and has written nothing, where only making the text shows what becomes of it: with other escapes than
/// those of line breaks, quotes and backslashes, and with characters that are dropped.
pub(super) fn write(inner: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.push(b'"');
    let is_written = dispatch!(Level::new(), simd => write_clean(simd, inner, out)).is_some();
    if is_written {
        out.push(b'"');
    } else {
        out.truncate(start);
    }
    is_written
}

#[inline(always)]
fn write_clean(simd: impl Simd, inner: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if char_at(inner, 0)?.is_whitespace() || inner.starts_with(b"\\n") {
        return None;
    }
    out.reserve(inner.len() + 1);
    // What is behind `end` is white space, what is behind `line` is the last line.
    let (mut end, mut line) = (out.len(), out.len());
    let (mut done, mut at) = (0, 0);
    loop {
        at = special_from(simd, inner, at);
        match (inner.get(at), inner.get(at + 1)) {
            (None, _) => break,
            (Some(b'\\'), Some(b'"' | b'\\')) => at += 2,
            (Some(b'\\'), Some(b'n')) => {
                end = end_line(out, inner.get(done..at)?, line, end);
                out.extend(b"\\n");
                line = out.len();
                at += 2;
                done = at;
            }
            (Some(b'\\'), _) => return None,
            _ => {
                let c = char_at(inner, at).filter(|c| change(*c) == Change::Keep)?;
                at += c.len_utf8();
            }
        }
    }
    end = end_line(out, inner.get(done..)?, line, end);
    out.truncate(end);
    (!ends_with_space(out)).then_some(())
}

/// From `at` on, the place of the first byte that begins what may have to change (see `clean::cleaned`); else the end.
#[inline(always)]
fn special_from(simd: impl Simd, text: &[u8], mut at: usize) -> usize {
    let (blocks, last) = text.get(at..).unwrap_or_default().as_chunks::<BLOCK>();
    for block in blocks {
        let special = special(simd, block);
        if special != 0 {
            return at + special.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    let mut padded = [0; BLOCK];
    padded.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
    (at + special(simd, &padded).trailing_zeros() as usize).min(text.len())
}

/// A bit for each such byte.
#[inline(always)]
fn special(simd: impl Simd, block: &[u8; BLOCK]) -> u64 {
    let block = u8x32::load_array_ref(simd, block);
    let is = |byte| block.simd_eq(u8x32::splat(simd, byte));
    (is(b'\\') | is(0x7f) | is(0xc2) | is(0xe2) | is(0xef)).to_bitmask()
}

/// The character that begins at `at`, if one does.
fn char_at(text: &[u8], at: usize) -> Option<char> {
    let rest = text.get(at..)?;
    let length = match rest.first()? {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0.. => 4,
    };
    str::from_utf8(rest.get(..length)?).ok()?.chars().next()
}

/// Adds the rest of a line without the spaces at its end. Returns where what is no white space ends now.
fn end_line(out: &mut Vec<u8>, rest: &[u8], line: usize, end: usize) -> usize {
    out.extend_from_slice(rest);
    while out.len() > line && out.last() == Some(&b' ') {
        out.pop();
    }
    if out.len() > line { out.len() } else { end }
}

/// Whether there is white space at the end: such as is no ASCII is left there.
fn ends_with_space(out: &[u8]) -> bool {
    let is_start = |byte: &u8| byte & 0xc0 != 0x80;
    let last = out.iter().rposition(is_start).and_then(|at| out.get(at..));
    last.and_then(|last| str::from_utf8(last).ok()).is_none_or(|last| last.ends_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        document::clean,
        wire::{Value, json},
    };

    /// What is written of a JSON string, and what serde_json writes of its clean text.
    fn both(json: &str) -> (Option<String>, Option<String>) {
        let mut out = b"before".to_vec();
        let is_written = write(&json.as_bytes()[1..json.len() - 1], &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(is_written || out == "before");
        let text = clean::string(Value::Json(json::Value::parse(json.as_bytes()).unwrap()));
        let plain = text.map(|text| serde_json::to_string(&text).unwrap());
        (is_written.then(|| out["before".len()..].to_owned()), plain)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn what_is_written_is_what_serde_json_would_write_of_the_clean_text(
            text in "[ab \t\r\n\"\\\\/\u{7f}\u{85}\u{a0}\u{2003}\u{2019}\u{2028}\u{3000}\u{feff}é🙂]{0,12}",
            prose in "([a-z]{1,9}[ \n]{1,2}|\"é\"|\\\\n){0,30}",
        ) {
            for text in [&text, &prose] {
                let json = serde_json::to_string(text).unwrap();
                if let (Some(written), plain) = both(&json) {
                    prop_assert_eq!(Some(written), plain, "{}", json);
                }
            }
        }

        #[test]
        fn prose_is_written_without_making_a_text(prose in "[a-z][a-zé’\"]{0,9}([ \n][a-z🙂\\\\]{1,40}){0,9}[ \n]{0,3}") {
            let json = serde_json::to_string(&prose).unwrap();
            prop_assert!(both(&json).0.is_some(), "{}", json);
        }
    }

    #[test]
    fn what_is_no_text_is_not_written() {
        for json in [r#""""#, r#"" ""#, r#""\n""#, r#""a\u0000""#, r#"" a""#, "\"a\u{a0}\""] {
            assert_eq!(both(json).0, None, "{json}");
        }
    }
}
