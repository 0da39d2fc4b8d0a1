//! An event of a chat: when it was sent, and how long it was on its way.

use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;

const SENT: &[u8] = b"\"sent\":";

/// Nanoseconds since 1970. Both ends are on one machine.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// One that is sent now, about as long as OpenAI's.
pub fn event() -> String {
    let sent = now();
    format!(
        "data: {{\"id\":\"chatcmpl-0123456789abcdefghijklmnopqrs\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\
         \"model\":\"gpt-4o-mini-2024-07-18\",\"sent\":{sent},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word\"}},\
         \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )
}

/// For every event of which the part that says when it was sent is in `bytes`: microseconds until now.
pub fn delays(bytes: &[u8], mut each: impl FnMut(f64)) {
    let now = now();
    for at in memmem::find_iter(bytes, SENT) {
        let digits = bytes[at + SENT.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let sent = digits.fold(0_u128, |sent, digit| sent * 10 + u128::from(digit - b'0'));
        each(now.saturating_sub(sent) as f64 / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_how_long_it_took() {
        let mut found = Vec::new();
        delays(event().repeat(2).as_bytes(), |delay| found.push(delay));
        assert!(found.len() == 2 && found[0] < 1e6, "{found:?}");
    }
}
