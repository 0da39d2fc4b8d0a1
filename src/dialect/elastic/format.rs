//! In which format a request and its response are: JSON, or one that is forwarded unread.

use http::{HeaderMap, HeaderValue, header::ACCEPT};

use super::target::Params;

/// Whether a content type says that the body is not JSON.
pub(super) fn is_foreign_type(content_type: &str) -> bool {
    is_foreign(&media_type(content_type))
}

/// What a client says it accepts.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(ACCEPT).into_iter().cloned().collect()
}

/// Whether the response will not be JSON. `format` wins over `Accept`. Of several types that a client accepts the
/// products may choose any, so that JSON among them is JSON.
pub(super) fn is_foreign_response(accepted: &[HeaderValue], params: &Params) -> bool {
    if let Some(format) = params.get("format").map(str::trim).filter(|format| !format.is_empty()) {
        return !format.eq_ignore_ascii_case("json") && !media_type(format).ends_with("json");
    }
    let accepted = accepted.iter().filter_map(|value| value.to_str().ok());
    let mut foreign = false;
    for accepted in accepted.flat_map(|list| list.split(',')).filter(|accepted| !is_rejected(accepted)) {
        let media = media_type(accepted);
        if media.ends_with("json") || matches!(media.as_str(), "*/*" | "application/*" | "*") {
            return false;
        }
        foreign |= is_foreign(&media);
    }
    foreign
}

/// The type itself, without parameters, in small letters.
fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn is_foreign(media_type: &str) -> bool {
    ["yaml", "cbor", "smile"].iter().any(|format| media_type.contains(format))
}

/// A type with the weight 0 is one that the client does not accept.
fn is_rejected(accepted: &str) -> bool {
    accepted.split(';').skip(1).any(|parameter| {
        let Some((name, weight)) = parameter.split_once('=') else { return false };
        name.trim().eq_ignore_ascii_case("q")
            && weight.trim().parse::<f32>().is_ok_and(|weight| weight == 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(accept: &[&str], query: &str) -> bool {
        let accepted: Vec<_> = accept.iter().map(|value| HeaderValue::from_str(value).unwrap()).collect();
        is_foreign_response(&accepted, &Params::parse(Some(query)).unwrap())
    }

    #[test]
    fn the_head_says_that_the_response_will_not_be_json() {
        for accept in [
            "application/cbor",
            "application/smile",
            "application/yaml",
            "text/yaml; charset=UTF-8",
            "Application/CBOR",
            "application/vnd.elasticsearch+cbor;compatible-with=9",
            "application/vnd.elasticsearch+smile; compatible-with=8",
            "application/vnd.elasticsearch+yaml;compatible-with=9",
            "application/cbor, application/yaml;q=0.5",
            "application/cbor;q=0.9, application/json;q=0",
        ] {
            assert!(foreign(&[accept], ""), "{accept}");
        }
        assert!(foreign(&["application/cbor", "text/plain"], ""));
        for format in ["yaml", "CBOR", "smile", "yml"] {
            assert!(foreign(&[], &format!("format={format}")), "{format}");
            assert!(foreign(&["application/json"], &format!("format={format}")), "{format}");
        }
    }

    #[test]
    fn whatever_may_be_json_is() {
        for accept in [
            "application/json",
            "*/*",
            "application/cbor, */*;q=0.1",
            "application/cbor;q=1.0,application/json;q=0.1",
            "application/*",
            "application/vnd.elasticsearch+json;compatible-with=9",
            "text/html, image/gif, *; q=.2",
            "text/plain",
            "",
        ] {
            assert!(!foreign(&[accept], ""), "{accept}");
        }
        assert!(!foreign(&["application/cbor", "application/json"], ""));
        assert!(!foreign(&["application/cbor"], "format=json"));
        assert!(!foreign(&[], "format="));
        assert!(!foreign(&[], ""));
    }
}
