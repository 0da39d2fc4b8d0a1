//! Whole responses, compressed for a client that prefers that.
//!
//! Source: RFC 9110, §12.5.3 (`Accept-Encoding`) and §12.4.2 (weights).

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use tokio::task::spawn_blocking;

use super::responses::Body;

/// A shorter body fits in one packet as it is.
const LEAST: u64 = 1400;

/// The response as the client with these headers prefers it. A body without an end stays as it is.
pub(super) async fn suited(headers: &HeaderMap, response: Response<Body>) -> Response<Body> {
    if response.body().size_hint().exact().is_none_or(|length| length < LEAST) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !is_preferred(headers) {
        return Response::from_parts(parts, body);
    }
    let Ok(whole) = body.collect().await;
    let whole = whole.to_bytes();
    let plain = whole.clone();
    match spawn_blocking(move || compressed(&plain)).await.ok().flatten() {
        Some(smaller) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, Full::new(smaller).boxed_unsync())
        }
        None => Response::from_parts(parts, Full::new(whole).boxed_unsync()),
    }
}

fn compressed(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether gzip is acceptable, and nothing else that could be sent is preferred.
fn is_preferred(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for line in headers.get_all(header::ACCEPT_ENCODING) {
        for item in line.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
            });
            let weight: Option<f32> = Some(weight.unwrap_or(1.0));
            match coding.as_str() {
                "gzip" | "x-gzip" => gzip = weight,
                "identity" => identity = weight,
                "*" => any = weight,
                _ => {}
            }
        }
    }
    let weight = gzip.or(any).unwrap_or(0.0);
    // Where nothing is said of the plain text, it is as good as anything that is acceptable, and longer.
    weight > 0.0 && weight >= identity.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::admin::responses::text;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it_and_prefer_nothing_else() {
        for wanted in [
            "gzip",
            "deflate, GZIP;q=0.5",
            "*",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "gzip;q=0.5, identity;q=0.5",
        ] {
            assert!(is_preferred(&accepting(wanted)), "{wanted}");
        }
        for unwanted in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *;q=1",
            "*;q=0",
            "gzip;q=0.4, identity;q=0.8",
            "gzip;q=nan x",
        ] {
            assert!(!is_preferred(&accepting(unwanted)), "{unwanted}");
        }
        assert!(!is_preferred(&HeaderMap::new()));
        let two = ["br", "gzip"].map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)));
        assert!(is_preferred(&two.into_iter().fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        })));
    }

    #[tokio::test]
    async fn a_long_body_is_compressed_whole_and_a_short_one_is_not() {
        let long = "rerankd_searches_total 0\n".repeat(1000);
        let response = suited(&accepting("gzip"), text(http::StatusCode::OK, long.clone())).await;
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[header::VARY], "accept-encoding");
        let packed = response.into_body().collect().await.unwrap().to_bytes();
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut plain).unwrap();
        assert!(plain == long && packed.len() < long.len() / 10);

        let response = suited(&accepting("gzip"), text(http::StatusCode::OK, "live\n")).await;
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        let response = suited(&HeaderMap::new(), text(http::StatusCode::OK, long.clone())).await;
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(response.headers()[header::VARY], "accept-encoding");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), long);
    }
}
