//! How gRPC puts messages into a body: a flag, the length in four bytes, the message. Source: gRPC over HTTP2,
//! "Length-Prefixed-Message".

use bytes::{BufMut, Bytes, BytesMut};

/// Flag and length before each message, in bytes.
pub const PREFIX: usize = 5;

/// One message as it stands in a body.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is compressed, by the coding that `grpc-encoding` names.
    pub compressed: bool,
    /// The message, compressed or not.
    pub message: Bytes,
}

/// Why a body is not one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The body ends before the message does.
    #[error("the message is cut short")]
    CutShort,
    /// Something follows the message.
    #[error("there is more than one message")]
    Several,
    /// A flag that gRPC does not know.
    #[error("the message has an unknown flag")]
    Flag,
}

/// The one message of a whole body.
pub fn unframed(body: &Bytes) -> Result<Frame, FramingError> {
    let (prefix, rest) = body.split_first_chunk::<PREFIX>().ok_or(FramingError::CutShort)?;
    let [flag, length @ ..] = *prefix;
    let compressed = match flag {
        0 => false,
        1 => true,
        _ => return Err(FramingError::Flag),
    };
    // A length that no address reaches is more than there is.
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    match rest.len() {
        there if there < length => Err(FramingError::CutShort),
        there if there > length => Err(FramingError::Several),
        _ => Ok(Frame { compressed, message: body.slice(PREFIX..) }),
    }
}

/// The prefix of a message of this length; `None` for one longer than a prefix can say.
pub fn prefix(compressed: bool, length: usize) -> Option<[u8; PREFIX]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some([u8::from(compressed), a, b, c, d])
}

/// A message with its prefix, in one piece; `None` for one longer than a prefix can say.
pub fn framed(compressed: bool, message: &[u8]) -> Option<Bytes> {
    let prefix = prefix(compressed, message.len())?;
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_slice(&prefix);
    body.put_slice(message);
    Some(body.freeze())
}

impl std::fmt::Debug for Frame {
    /// Shows no content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame(compressed: {}, {} bytes)", self.compressed, self.message.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_is_one_message_or_an_error_says_why_not() {
        let unframed = |body: &'static [u8]| super::unframed(&Bytes::from_static(body));
        let one = |compressed, message: &'static [u8]| {
            Ok(Frame { compressed, message: Bytes::from_static(message) })
        };
        assert_eq!(unframed(b"\0\0\0\0\x02ab"), one(false, b"ab"));
        assert_eq!(unframed(b"\x01\0\0\0\x02ab"), one(true, b"ab"));
        assert_eq!(unframed(b"\0\0\0\0\0"), one(false, b""));
        for cut in [&b""[..], b"\0", b"\0\0\0\0", b"\0\0\0\0\x02a", b"\0\xff\xff\xff\xffab"] {
            assert_eq!(unframed(cut), Err(FramingError::CutShort), "{cut:?}");
        }
        for more in [&b"\0\0\0\0\x01ab"[..], b"\0\0\0\0\0\0", b"\0\0\0\0\x02ab\0\0\0\0\0"] {
            assert_eq!(unframed(more), Err(FramingError::Several), "{more:?}");
        }
        assert_eq!(unframed(b"\x02\0\0\0\x02ab"), Err(FramingError::Flag));
        assert_eq!(unframed(b"\x80\0\0\0\0"), Err(FramingError::Flag), "gRPC-Web's trailers");
    }

    #[test]
    fn a_message_longer_than_four_bytes_can_say_has_no_prefix() {
        assert_eq!(prefix(true, u32::MAX as usize), Some([1, 255, 255, 255, 255]));
        assert_eq!(prefix(false, u32::MAX as usize + 1), None);
    }

    proptest! {
        #[test]
        fn what_is_framed_is_unframed_as_it_was(message: Vec<u8>, compressed: bool) {
            let body = framed(compressed, &message).unwrap();
            prop_assert_eq!(unframed(&body), Ok(Frame { compressed, message: message.into() }));
        }

        #[test]
        fn arbitrary_bytes_are_unframed_without_a_panic(body: Vec<u8>) {
            let _ = unframed(&Bytes::from(body));
        }
    }
}
