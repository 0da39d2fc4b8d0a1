//! [`working_bytes`]: what reading a body may cost beside the body.

/// The most memory that a dialect holds at a time for the parts it finds in `body`, in bytes. `path` is that of a
/// request, whose collections each of its searches names; empty for an answer.
pub fn working_bytes(path: &str, body: &[u8]) -> usize {
    // The sign after which a part is found, and what it takes: a scratch byte while a bracket is open, two
    // references to an element, those and the key of a member, and a search of a batch (a hit takes less). A name
    // of one letter in a path takes twenty times its place there.
    let search = 700 + path.len().saturating_mul(20);
    [(b'[', 4), (b',', 76), (b':', 80), (b'{', search)]
        .map(|(sign, bytes)| memchr::memchr_iter(sign, body).count().saturating_mul(bytes))
        .into_iter()
        .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_parts_weigh_more_than_one_large_text() {
        let text = format!(r#"{{"text":"{}"}}"#, "word ".repeat(2000));
        assert!(working_bytes("", text.as_bytes()) < 2000);
        assert_eq!(working_bytes("", &[b','; 1000]), 76_000);
        let numbers = format!("[{}0]", "0,".repeat(5000));
        assert!(working_bytes("", numbers.as_bytes()) > 25 * numbers.len());
    }
}
