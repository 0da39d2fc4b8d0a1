//! Content codings of bodies that have to be read.

use std::io::{self, Read};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};

/// Why a coded body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A coding that the proxy does not know.
    #[error("unknown content coding")]
    Unknown,
    /// Not what its coding says it is.
    #[error("body does not match its content coding")]
    Broken,
    /// More than the limit once decoded.
    #[error("decoded body is over the limit")]
    TooLarge,
}

/// Whether a body with these headers is coded at all.
pub fn is_coded(headers: &HeaderMap) -> bool {
    codings(headers).next().is_some()
}

/// `body` without its content codings (RFC 9110 §8.4), at most `limit` bytes of it.
pub fn decode(headers: &HeaderMap, body: &Bytes, limit: usize) -> Result<Bytes, CodingError> {
    let mut names: Vec<&str> = codings(headers).collect();
    let mut decoded = body.clone();
    while let Some(name) = names.pop() {
        decoded = decode_one(name, &decoded, limit)?;
    }
    Ok(decoded)
}

fn codings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let names = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    names.map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
}

fn decode_one(name: &str, body: &Bytes, limit: usize) -> Result<Bytes, CodingError> {
    let broken = |_| CodingError::Broken;
    match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => bounded(flate2::read::MultiGzDecoder::new(&body[..]), limit),
        // "deflate" is zlib by the RFC and raw deflate by habit.
        "deflate" => match bounded(flate2::read::ZlibDecoder::new(&body[..]), limit) {
            Err(CodingError::Broken) => bounded(flate2::read::DeflateDecoder::new(&body[..]), limit),
            result => result,
        },
        "br" => bounded(brotli_decompressor::Decompressor::new(&body[..], 4096), limit),
        "zstd" => bounded(ruzstd::decoding::StreamingDecoder::new(&body[..]).map_err(broken)?, limit),
        _ => Err(CodingError::Unknown),
    }
}

fn bounded(reader: impl Read, limit: usize) -> Result<Bytes, CodingError> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match reader.take(most).read_to_end(&mut out) {
        Ok(_) if out.len() > limit => Err(CodingError::TooLarge),
        Ok(_) => Ok(out.into()),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(CodingError::TooLarge),
        Err(_) => Err(CodingError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;

    use super::*;

    fn coded(name: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(name))])
    }

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn gzip_is_read_up_to_the_limit() {
        let body = gzip(&[b'a'; 1000]);
        assert_eq!(decode(&coded("gzip"), &body, 1000).unwrap().len(), 1000);
        assert_eq!(decode(&coded("gzip"), &body, 999), Err(CodingError::TooLarge));
        assert_eq!(decode(&coded("gzip, gzip"), &gzip(&body), 1000).unwrap().len(), 1000);
    }

    #[test]
    fn what_is_not_what_it_says_is_broken_and_never_a_panic() {
        for name in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(decode(&coded(name), &Bytes::from_static(b"plain"), 10), Err(CodingError::Broken));
        }
        assert_eq!(decode(&coded("lzma"), &Bytes::new(), 10), Err(CodingError::Unknown));
        assert_eq!(decode(&coded("identity"), &Bytes::from_static(b"x"), 10).unwrap(), "x");
    }
}
