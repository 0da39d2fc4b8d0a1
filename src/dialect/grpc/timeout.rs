//! How long a client waits for the response to a call.

use std::time::Duration;

use http::HeaderMap;

const TIMEOUT: &str = "grpc-timeout";
/// What is assumed where a call names no time: Qdrant's Rust client gives up after so long without saying so, and sends
/// its search again.
const ASSUMED: Duration = Duration::from_secs(5);
/// The shortest and the longest time that is left for the response's own way to the client.
const SHORTEST_RESERVE: Duration = Duration::from_millis(20);
const LONGEST_RESERVE: Duration = Duration::from_millis(500);

/// The time within which a response to a call with these headers should be on its way: a tenth less than the client waits.
pub(in crate::dialect) fn of(headers: &HeaderMap) -> Duration {
    let time = headers.get(TIMEOUT).and_then(|value| value.to_str().ok()).and_then(read).unwrap_or(ASSUMED);
    time.saturating_sub((time / 10).clamp(SHORTEST_RESERVE, LONGEST_RESERVE))
}

/// At most eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn read(value: &str) -> Option<Duration> {
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number.saturating_mul(3600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn within(value: &str) -> Duration {
        of(&HeaderMap::from_iter([(
            http::HeaderName::from_static(TIMEOUT),
            HeaderValue::from_str(value).unwrap(),
        )]))
    }

    #[test]
    fn a_response_is_on_its_way_before_the_client_gives_up() {
        assert_eq!(within("20S"), Duration::from_millis(19_500));
        assert_eq!(within("4990m"), Duration::from_millis(4_491));
        assert_eq!(within("100m"), Duration::from_millis(80));
        assert_eq!(within("10m"), Duration::ZERO);
        assert_eq!(within("1H"), Duration::from_millis(3_599_500));
        assert_eq!(within("2M"), Duration::from_millis(119_500));
        assert_eq!(within("3000000u"), Duration::from_millis(2_700));
        assert_eq!(within("99999999n"), Duration::from_nanos(79_999_999));
    }

    #[test]
    fn a_call_that_names_no_time_has_five_seconds() {
        assert_eq!(of(&HeaderMap::new()), Duration::from_millis(4_500));
        for none in ["", "S", "5", "5s", "-5S", "1.5S", "123456789m", "5 S", "SS"] {
            assert_eq!(within(none), Duration::from_millis(4_500), "{none}");
        }
    }
}
