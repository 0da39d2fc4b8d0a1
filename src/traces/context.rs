//! `traceparent` (W3C Trace Context, §3.2).

use opentelemetry::trace::{SpanId, TraceId};

/// A version, two ids and flags, with `-` between.
const LENGTH: usize = 55;

/// What a caller says of its own span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// The caller records it.
    pub(super) sampled: bool,
}

/// Reads a header's value; `None` where it is not valid, which counts as none (§4.3).
pub(super) fn read(value: &[u8]) -> Option<Remote> {
    let whole = value.get(..LENGTH)?;
    let dashes = [2, 35, 52].iter().all(|&at| whole.get(at) == Some(&b'-'));
    let version = hex::<1>(whole.get(..2)?)?;
    // A newer version may say more behind.
    let rest = value.get(LENGTH..).unwrap_or_default();
    let ends = rest.is_empty() || (version != [0] && rest.first() == Some(&b'-'));
    if !dashes || version == [0xff] || !ends {
        return None;
    }
    let trace = TraceId::from_bytes(hex(whole.get(3..35)?)?);
    let span = SpanId::from_bytes(hex(whole.get(36..52)?)?);
    let [flags] = hex::<1>(whole.get(53..55)?)?;
    let valid = trace != TraceId::INVALID && span != SpanId::INVALID;
    valid.then_some(Remote { trace, span, sampled: flags & 1 == 1 })
}

/// The value that says that this span is recorded.
pub(super) fn write(trace: TraceId, span: SpanId) -> String {
    format!("00-{trace}-{span}-01")
}

/// Lower-case digits alone.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let read = |value: &str| super::read(value.as_bytes());
        let remote = read(GOOD).unwrap();
        assert_eq!(remote.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((remote.span.to_string().as_str(), remote.sampled), ("b7ad6b7169203331", true));
        assert_eq!(write(remote.trace, remote.span), GOOD);
        assert!(!read(&GOOD.replace("-01", "-00")).unwrap().sampled);
        assert!(read(&GOOD.replace("-01", "-03")).unwrap().sampled, "other flags are for others");
        assert!(read(&format!("{}-what-comes-later", GOOD.replacen("00", "01", 1))).is_some());
        for bad in [
            String::new(),
            GOOD[1..].to_owned(),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            format!("{GOOD}0"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01".to_owned(),
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01".to_owned(),
            "00-how do I reset my password?????-b7ad6b7169203331-01".to_owned(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }
}
