//! The head of a request: where it ends, what it asks for, how long its body is.

use memchr::memmem;

/// What of a head matters here.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The target as it was sent.
    pub target: &'a str,
    /// Bytes of the head, with the empty line.
    pub length: usize,
    /// Bytes of the body that follows. The chunked coding is not understood: no proxy here uses it for these requests.
    pub body: usize,
}

/// Reads the head at the start of `bytes`; `None` if it is not there in full.
pub fn head(bytes: &[u8]) -> Option<Head<'_>> {
    let length = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let text = str::from_utf8(bytes.get(..length)?).ok()?;
    let mut lines = text.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?;
    let body = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    Some(Head { target, length, body: body.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_there_in_full() {
        assert_eq!(head(b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n"), None);
        let whole = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(head(whole), Some(Head { target: "/a", length: 39, body: 3 }));
    }
}
