//! [`working_bytes`]: what reading a body may cost beside the body.

/// The most memory that a dialect holds at a time for the parts it finds in `body`, in bytes. `path` is that of a
/// request, whose collections each of its searches names; empty for an answer.
pub fn working_bytes(path: &str, body: &[u8]) -> usize {
    // The sign after which a part is found, and what it takes: a scratch byte while a bracket is open, two
    // references to an element, those and the key of a member, and a search of a batch (a hit takes less). A name
    // of one letter in a path takes twenty times its place there.
    let search = 700 + path.len().saturating_mul(20);
    let mut found = [(b'[', 4, 0usize), (b',', 56, 0), (b':', 80, 0), (b'{', search, 0)];
    // Runs whose count fits a byte are counted many bytes at a time.
    for run in body.chunks(usize::from(u8::MAX)) {
        for (sign, _, count) in &mut found {
            *count += usize::from(run.iter().map(|byte| u8::from(byte == sign)).sum::<u8>());
        }
    }
    found.iter().map(|(_, bytes, count)| count.saturating_mul(*bytes)).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_parts_weigh_more_than_one_large_text() {
        let text = format!(r#"{{"text":"{}"}}"#, "word ".repeat(2000));
        assert!(working_bytes("", text.as_bytes()) < 2000);
        // Counts of more than a byte holds.
        assert_eq!(working_bytes("", &[b','; 1000]), 56_000);
        let numbers = format!("[{}0]", "0,".repeat(5000));
        assert!(working_bytes("", numbers.as_bytes()) > 25 * numbers.len());
    }
}
