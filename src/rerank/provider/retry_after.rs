//! When a service says to retry. Every service has its own header for it, and its own way to write a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header};

/// Of each limit: the headers that say when it resets, and how much of it is left. `{}` is one of [`PARTS`].
const RESETS: [(&str, &str); 6] = [
    ("x-ratelimit-reset{}", "x-ratelimit-remaining{}"),
    ("x-rate-limit-reset{}", "x-rate-limit-remaining{}"),
    ("ratelimit-reset{}", "ratelimit-remaining{}"),
    ("x-ratelimit{}-reset", "x-ratelimit{}-remaining"),
    ("anthropic-ratelimit{}-reset", "anthropic-ratelimit{}-remaining"),
    ("x-ratelimit-reset-after{}", "x-ratelimit-remaining{}"),
];

/// What services limit, as their headers name it; the first is for those that have one limit.
const PARTS: [&str; 11] = [
    "",
    "-requests",
    "-tokens",
    "-project-requests",
    "-project-tokens",
    "-requests-minute",
    "-tokens-minute",
    "-requests-per-minute",
    "-tokens-per-minute",
    "-minute",
    "-second",
];

/// When the service says to retry, if it does: never 0, which says nothing.
pub(super) fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    // The service's own clock, so that ours may be wrong.
    let date = text(headers, header::DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = date.unwrap_or(now);
    let millis = |name| Some(Duration::from_secs_f64(number(text(headers, name)?)? / 1000.0));
    let plain = |name| time(text(headers, name)?, now);
    [millis("retry-after-ms"), millis("x-ms-retry-after-ms"), plain("retry-after"), plain("x-retry-after")]
        .into_iter()
        .flatten()
        .find(|wait| !wait.is_zero())
        .or_else(|| millis("x-ratelimit-reset-ms").filter(|wait| !wait.is_zero()))
        .or_else(|| reset(headers, now))
        .or_else(|| structured(headers, now))
}

/// The longest wait of the exhausted limits; where no header names these, the shortest of all.
fn reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let (mut used_up, mut any): (Option<Duration>, Option<Duration>) = (None, None);
    for part in PARTS {
        for (reset, remaining) in RESETS {
            let (reset, remaining) = (reset.replace("{}", part), remaining.replace("{}", part));
            let wait = text(headers, &reset).and_then(|text| time(text, now)).filter(|wait| !wait.is_zero());
            let Some(wait) = wait else { continue };
            any = Some(any.map_or(wait, |least| least.min(wait)));
            if text(headers, &remaining).and_then(number).is_some_and(|left| left < 1.0) {
                used_up = used_up.max(Some(wait));
            }
        }
    }
    used_up.or(any)
}

/// The one header of the IETF's drafts: `limit=10, remaining=0, reset=50`, later `"minute";r=0;t=50`.
fn structured(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    ["ratelimit", "x-ratelimit"]
        .into_iter()
        .filter_map(|name| text(headers, name))
        .flat_map(|text| text.split([',', ';']))
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| ["reset", "t"].contains(&name.trim()))
        .filter_map(|(_, value)| time(value.trim(), now))
        .find(|wait| !wait.is_zero())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim().trim_matches('"'))
}

/// A number that can be a time.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && (0.0..MOST).contains(number))
}

/// No service counts nanoseconds beyond this.
const MOST: f64 = 1e19;

/// Smaller numbers are seconds from now: as times since 1970 they would be long over, by decades.
const EPOCH_SECONDS: f64 = 1e9;

/// The time from now until the moment in a header's value; 0 for the past. `None` for what is no time.
fn time(text: &str, now: SystemTime) -> Option<Duration> {
    let from_now = |since_epoch: Duration| {
        let time = UNIX_EPOCH.checked_add(since_epoch)?;
        Some(time.duration_since(now).unwrap_or_default())
    };
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            below if below < 0.0 => Some(Duration::ZERO),
            // Seconds from now, or since 1970; then milliseconds, microseconds and nanoseconds since then.
            seconds if seconds < EPOCH_SECONDS => Duration::try_from_secs_f64(seconds).ok(),
            seconds if seconds < 1e11 => from_now(Duration::try_from_secs_f64(seconds).ok()?),
            millis if millis < 1e14 => from_now(Duration::try_from_secs_f64(millis / 1e3).ok()?),
            micros if micros < 1e17 => from_now(Duration::try_from_secs_f64(micros / 1e6).ok()?),
            nanos if nanos < MOST => from_now(Duration::try_from_secs_f64(nanos / 1e9).ok()?),
            _ => None,
        };
    }
    if let Some(span) = span(text) {
        return Some(span);
    }
    let date = date(text)?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// `1m30s`, `6.5s`, `20ms`, `2 minutes`, `PT1M30S`: numbers, each with its unit.
fn span(text: &str) -> Option<Duration> {
    let lower = text.to_ascii_lowercase();
    let mut rest = lower.strip_prefix("pt").unwrap_or(&lower).trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(digits);
        let after = after.trim_start();
        let ends = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(ends);
        seconds += amount.parse::<f64>().ok()? * unit_seconds(unit)?;
        rest = after.trim_start_matches([' ', ',']);
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

/// A date of HTTP, of mail (`+0000` for `GMT`), or of RFC 3339.
fn date(text: &str) -> Option<SystemTime> {
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date);
    }
    for zone in [" +0000", " -0000", " UTC", " Z"] {
        if let Some(start) = text.strip_suffix(zone)
            && let Ok(date) = httpdate::parse_http_date(&format!("{start} GMT"))
        {
            return Some(date);
        }
    }
    rfc3339(text)
}

/// `2026-11-28T23:12:42.5Z`, with an offset for the `Z`, and a space for the `T`; without an offset it is UTC.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let at = |range: std::ops::Range<usize>| text.get(range);
    let signs = at(4..5)? == "-" && at(7..8)? == "-" && at(13..14)? == ":" && at(16..17)? == ":";
    if !signs || !["T", "t", " "].contains(&at(10..11)?) {
        return None;
    }
    let part = |range| at(range)?.parse::<u64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let rest = text.get(19..)?;
    let fraction = rest.len() - rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()).len();
    let zone = rest.get(fraction..)?;
    let days = days_since_epoch(year, month, day)?;
    let seconds = days * 86_400 + part(11..13)? * 3600 + part(14..16)? * 60 + part(17..19)?;
    let (hours, minutes) = match zone.get(1..) {
        Some(offset) if zone.starts_with(['+', '-']) => {
            let digits: String = offset.chars().filter(|c| *c != ':').collect();
            (digits.get(0..2)?.parse::<i64>().ok()?, digits.get(2..4).unwrap_or("0").parse::<i64>().ok()?)
        }
        _ if ["", "Z", "z"].contains(&zone) => (0, 0),
        _ => return None,
    };
    let offset = (hours * 3600 + minutes * 60) * if zone.starts_with('-') { -1 } else { 1 };
    let utc = i64::try_from(seconds).ok()?.checked_sub(offset)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(utc).ok()?))
}

/// Howard Hinnant's `days_from_civil`, from 1970 on.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + of_days).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// Sat, 28 Nov 2026 23:12:00 GMT.
    const NOW: u64 = 1_795_907_520;

    fn of(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        wait(&HeaderMap::from_iter(headers), UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn a_reset_is_read_in_every_way_that_services_write_it() {
        for (value, wanted) in [
            ("30", 30_000),
            ("0.25", 250),
            ("30.5", 30_500),
            ("\"30\"", 30_000),
            ("1795907550", 30_000),
            ("1795907550.5", 30_500),
            ("1795907550000", 30_000),
            ("1795907550000000", 30_000),
            ("1795907550000000000", 30_000),
            ("1m30s", 90_000),
            ("20ms", 20),
            ("6.5s", 6_500),
            ("6m0s", 360_000),
            ("2h", 7_200_000),
            ("1 minute, 5 seconds", 65_000),
            ("1h2m3.5s", 3_723_500),
            ("PT1M30S", 90_000),
            ("2026-11-28T23:12:30Z", 30_000),
            ("2026-11-28T23:12:30.750Z", 30_000),
            ("2026-11-29T00:12:30+01:00", 30_000),
            ("2026-11-28 18:12:30-0500", 30_000),
            ("Sat, 28 Nov 2026 23:12:30 GMT", 30_000),
            ("Sat, 28 Nov 2026 23:12:30 +0000", 30_000),
        ] {
            for name in ["x-ratelimit-reset", "retry-after", "ratelimit-reset", "x-ratelimit-reset-requests"]
            {
                let read = of(&[(name, value)]).unwrap_or_default().as_secs_f64() * 1000.0;
                assert!((read - wanted as f64).abs() < 1.0, "{name}: {value} gave {read} ms");
            }
        }
    }

    #[test]
    fn what_is_over_or_no_time_says_nothing() {
        for value in [
            "0",
            "0.0",
            "-1",
            "-30.5",
            "0s",
            "0ms",
            "NaN",
            "inf",
            "-inf",
            "1e300",
            "",
            "soon",
            "s",
            "5x",
            "1m30",
            "Thu, 01 Jan 1970 00:01:50 GMT",
            "Sat, 28 Nov 2026 23:12:00 GMT",
            "2026-11-28T23:12:00Z",
            "2026-13-28T23:12:00Z",
            "1795907520",
            "1795907519999",
            "1.2.3s",
        ] {
            for name in ["x-ratelimit-reset", "retry-after", "retry-after-ms"] {
                if name == "retry-after-ms" && value.parse::<f64>().is_ok_and(|number| number > 0.0) {
                    continue;
                }
                assert_eq!(of(&[(name, value)]), None, "{name}: {value}");
            }
        }
    }

    #[test]
    fn the_header_that_says_most_is_believed() {
        assert_eq!(of(&[("retry-after-ms", "250"), ("retry-after", "1")]), millis(250));
        assert_eq!(of(&[("retry-after", "0"), ("x-ratelimit-reset", "30")]), millis(30_000));
        assert_eq!(of(&[("x-ratelimit-reset-ms", "1500")]), millis(1500));
        let both = [("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s")];
        assert_eq!(of(&both), millis(1000), "nobody says which of the two it is");
        let tokens = [both[0], both[1], ("x-ratelimit-remaining-tokens", "0")];
        assert_eq!(of(&tokens), millis(360_000));
        assert_eq!(of(&[("ratelimit", "limit=10, remaining=0, reset=50")]), millis(50_000));
        assert_eq!(of(&[("ratelimit", "\"minute\";r=0;t=50")]), millis(50_000));
        assert_eq!(
            of(&[("date", "Sat, 28 Nov 2026 23:11:00 GMT"), ("retry-after", "1795907520")]),
            millis(60_000)
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ -~]{0,40}", now in 0..4_000_000_000_u64) {
            let _ = time(&text, UNIX_EPOCH + Duration::from_secs(now));
        }

        #[test]
        fn dates_are_those_of_the_calendar(seconds in 0..4_000_000_000_u64) {
            let then = UNIX_EPOCH + Duration::from_secs(seconds);
            let printed = humantime::format_rfc3339_seconds(then).to_string();
            prop_assert_eq!(rfc3339(&printed), Some(then), "{}", printed);
        }
    }
}
