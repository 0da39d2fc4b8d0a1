//! Messages of searches out of their bodies, and into bodies again.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_ENCODING};

use crate::{
    body::coding::{self, CodingError},
    bounds::Budget,
    dialect::Framing,
    search::KeepReason,
    wire::proto::framing,
};

/// How a compressed message is compressed (gRPC over HTTP/2).
pub(super) static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// Which codings a response's message may be compressed in.
pub(super) static GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The message in a body with these headers, at most `limit` bytes long. What is unpacked is taken from the budget
/// before it is written.
pub fn unpack(
    framing: Framing,
    headers: &HeaderMap,
    body: &Bytes,
    limit: usize,
    budget: &Budget,
) -> Result<Bytes, KeepReason> {
    let message = match framing {
        Framing::Http => coding::decode(headers, CONTENT_ENCODING, body, limit, budget),
        Framing::Grpc => {
            let frame = framing::unframed(body).map_err(|_| KeepReason::Malformed)?;
            match frame.compressed {
                false => Ok(frame.message),
                // By the protocol one without a coding to name is broken.
                true if !headers.contains_key(&GRPC_ENCODING) => Err(CodingError::Broken),
                true => coding::decode(headers, GRPC_ENCODING.clone(), &frame.message, limit, budget),
            }
        }
    };
    message.map_err(|error| match error {
        CodingError::Unknown => KeepReason::Unsupported,
        CodingError::Broken => KeepReason::Malformed,
        CodingError::TooLarge => KeepReason::TooLarge,
        CodingError::NoRoom => KeepReason::Overloaded,
    })
}

/// What stands before an uncompressed message in its body.
pub(super) fn prefix(framing: Framing, message: &[u8]) -> Bytes {
    match framing {
        Framing::Http => Bytes::new(),
        // What was read in one piece has a length that a prefix holds.
        Framing::Grpc => framing::prefix(false, message.len())
            .map_or_else(Bytes::new, |prefix| Bytes::copy_from_slice(&prefix)),
    }
}

/// An uncompressed message in a body.
pub(super) fn pack(framing: Framing, message: &Bytes) -> Bytes {
    match framing {
        Framing::Http => message.clone(),
        Framing::Grpc => Bytes::from([&prefix(framing, message), &message[..]].concat()),
    }
}

/// The header that names the coding of a message.
pub(super) fn coding_header(framing: Framing) -> HeaderName {
    match framing {
        Framing::Http => CONTENT_ENCODING,
        Framing::Grpc => GRPC_ENCODING.clone(),
    }
}

/// Has a request ask for a response in no coding.
pub(super) fn ask_uncompressed(framing: Framing, headers: &mut HeaderMap) {
    let identity = HeaderValue::from_static("identity");
    match framing {
        Framing::Http => super::headers::replace(headers, &http::header::ACCEPT_ENCODING, Some(identity)),
        Framing::Grpc => super::headers::replace(headers, &GRPC_ACCEPT_ENCODING, None),
    }
}
