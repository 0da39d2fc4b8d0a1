//! Content codings of bodies that have to be read.

use std::io::{self, Read};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use ruzstd::decoding::StreamingDecoder;

use crate::bounds::{Budget, Permit, counted};

/// Why a coded body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A content coding that the proxy does not support.
    #[error("unknown content coding")]
    Unknown,
    /// The bytes are not in the coding that the header names.
    #[error("body does not match its content coding")]
    Broken,
    /// More than the limit once decoded.
    #[error("decoded body is over the limit")]
    TooLarge,
    /// The budget has no room for the decoded body.
    #[error("no room for the decoded body")]
    NoRoom,
}

/// `body` without the codings that the header `named_by` names (`content-encoding`, RFC 9110 §8.4), at most `limit` bytes
/// of it. What is unpacked is taken from the budget before it is written.
pub fn decode(
    headers: &HeaderMap,
    named_by: HeaderName,
    body: &Bytes,
    limit: usize,
    budget: &Budget,
) -> Result<Bytes, CodingError> {
    let mut names: Vec<&str> = codings(headers, named_by).collect();
    let mut decoded = body.clone();
    while let Some(name) = names.pop() {
        decoded = decode_one(name, &decoded, Unpacking { limit, budget })?;
    }
    Ok(decoded)
}

fn codings(headers: &HeaderMap, named_by: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(named_by).iter();
    let names = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    names.map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
}

/// Decoders keep what they may refer back to: 32 KiB, or a window that the stream itself names.
const DEFLATE_WINDOW: usize = 64 << 10;
/// RFC 7932 §9.1.
const BROTLI_WINDOW: usize = 16 << 20;
/// RFC 9659 §3: what a content coding may ask for; streams that want more are rejected.
const ZSTD_WINDOW: usize = 8 << 20;

fn decode_one(name: &str, body: &Bytes, to: Unpacking<'_>) -> Result<Bytes, CodingError> {
    match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => to.read(flate2::bufread::MultiGzDecoder::new(&body[..]), DEFLATE_WINDOW),
        // By the RFC "deflate" is zlib; in practice it is also raw deflate.
        "deflate" => match to.read(flate2::bufread::ZlibDecoder::new(&body[..]), DEFLATE_WINDOW) {
            Err(CodingError::Broken) => {
                to.read(flate2::bufread::DeflateDecoder::new(&body[..]), DEFLATE_WINDOW)
            }
            result => result,
        },
        "br" => to.read(brotli_decompressor::Decompressor::new(&body[..], 4096), BROTLI_WINDOW),
        "zstd" => {
            let decoder = StreamingDecoder::new_with_max_window_size(&body[..], ZSTD_WINDOW as u64);
            to.read(decoder.map_err(|_| CodingError::Broken)?, ZSTD_WINDOW)
        }
        _ => Err(CodingError::Unknown),
    }
}

const FIRST_BUFFER: usize = 16 << 10;

/// Where unpacked bytes go.
#[derive(Clone, Copy)]
struct Unpacking<'a> {
    limit: usize,
    budget: &'a Budget,
}

impl Unpacking<'_> {
    /// All that `reader` gives. Its own window is no larger than what it has given so far, nor than `window`.
    fn read(self, mut reader: impl Read, window: usize) -> Result<Bytes, CodingError> {
        let mut permit = self.budget.nothing();
        let mut out = Vec::new();
        loop {
            if out.len() == out.capacity() {
                out = self.grown(out, &mut permit, window)?;
            }
            let room = out.capacity() - out.len();
            match reader.by_ref().take(room as u64).read_to_end(&mut out) {
                Ok(_) if out.len() > self.limit => return Err(CodingError::TooLarge),
                Ok(read) if read < room => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                    return Err(CodingError::TooLarge);
                }
                Err(_) => return Err(CodingError::Broken),
            }
        }
        permit.shrink(out.capacity());
        Ok(counted(out.into(), permit))
    }

    /// The same bytes in a buffer with room for more, once the budget has it. One byte over the limit is enough
    /// to see that there is too much.
    fn grown(self, out: Vec<u8>, permit: &mut Permit, window: usize) -> Result<Vec<u8>, CodingError> {
        let doubled = out.capacity().saturating_mul(2).max(FIRST_BUFFER);
        let capacity = if doubled < self.limit { doubled } else { self.limit.saturating_add(1) };
        let window = capacity.next_power_of_two().min(window);
        if !permit.resize(out.capacity().saturating_add(capacity).saturating_add(window)) {
            return Err(CodingError::NoRoom);
        }
        let mut larger = Vec::with_capacity(capacity);
        larger.extend_from_slice(&out);
        drop(out);
        permit.shrink(capacity.saturating_add(window));
        Ok(larger)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::{HeaderValue, header::CONTENT_ENCODING};

    use super::*;

    fn coded(name: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(name))])
    }

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn unpack(name: &'static str, body: &Bytes, limit: usize) -> Result<Bytes, CodingError> {
        decode(&coded(name), CONTENT_ENCODING, body, limit, &Budget::new(usize::MAX))
    }

    #[test]
    fn gzip_is_read_up_to_the_limit() {
        for length in [0, 1, 999, 1000, FIRST_BUFFER, FIRST_BUFFER + 1, 3 * FIRST_BUFFER] {
            let body = gzip(&vec![b'a'; length]);
            assert_eq!(unpack("gzip", &body, length).unwrap().len(), length);
            if length > 0 {
                assert_eq!(unpack("gzip", &body, length - 1), Err(CodingError::TooLarge));
            }
            assert_eq!(unpack("gzip, gzip", &gzip(&body), length.max(100)).unwrap().len(), length);
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_broken_and_never_a_panic() {
        for name in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(unpack(name, &Bytes::from_static(b"plain"), 10), Err(CodingError::Broken));
        }
        assert_eq!(unpack("lzma", &Bytes::new(), 10), Err(CodingError::Unknown));
        assert_eq!(unpack("identity", &Bytes::from_static(b"x"), 10).unwrap(), "x");
    }

    #[test]
    fn a_bomb_takes_no_more_than_the_budget_and_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        let small = Budget::new(1 << 20);
        assert_eq!(
            decode(&coded("gzip"), CONTENT_ENCODING, &bomb, 128 << 20, &small),
            Err(CodingError::NoRoom)
        );
        // Old buffer, new buffer and window, when the last step grows it to the limit.
        let enough = Budget::new((1 << 20) + (1 << 19) + DEFLATE_WINDOW + 1);
        assert_eq!(
            decode(&coded("gzip"), CONTENT_ENCODING, &bomb, 1 << 20, &enough),
            Err(CodingError::TooLarge)
        );
        assert_eq!((small.used(), enough.used()), (0, 0));
    }

    #[test]
    fn a_window_larger_than_a_content_coding_may_have_is_rejected() {
        // A frame header (RFC 8878 §3.1.1): window log 10 + 14, then an empty last block.
        let frame = |exponent: u8| Bytes::from(vec![0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0]);
        assert_eq!(unpack("zstd", &frame(13), 10).unwrap(), "");
        assert_eq!(unpack("zstd", &frame(14), 10), Err(CodingError::Broken));
    }
}
