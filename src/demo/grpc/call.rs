//! One call: its message in, the response's message or an error out.

use std::{
    convert::Infallible,
    io::{Read, Write},
    time::Instant,
};

use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Outcome, respond};
use crate::{
    body::{self, Body},
    demo::{BODY_LIMIT, rejection::Rejection},
    wire::proto::framing::{framed, unframed},
};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What of a `grpc-message` is written as `%XX`, beside all that is not ASCII, as Qdrant does.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The response to a call.
pub(in crate::demo) async fn call(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let message = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => received(&head.headers, &body.to_bytes()),
        Err(_) => Err(Rejection::Body),
    };
    let answer = message.and_then(|message| respond(head.uri.path(), &message));
    let answer = answer.map(|answer| answer.after(started.elapsed().as_secs_f64()));
    Ok(answer
        .and_then(|message| success(&message, offers_gzip(&head.headers)))
        .unwrap_or_else(|why| error(&why)))
}

/// The message of a request, decoded.
fn received(headers: &HeaderMap, body: &Bytes) -> Outcome<Bytes> {
    let frame = unframed(body).map_err(|_| Rejection::Protobuf)?;
    if !frame.compressed {
        return Ok(frame.message);
    }
    if headers.get(ENCODING).is_none_or(|name| name != "gzip") {
        return Err(Rejection::Coding);
    }
    let mut decoded = Vec::new();
    let limit = BODY_LIMIT as u64 + 1;
    match GzDecoder::new(&frame.message[..]).take(limit).read_to_end(&mut decoded) {
        Ok(length) if length <= BODY_LIMIT => Ok(decoded.into()),
        _ => Err(Rejection::Body),
    }
}

fn offers_gzip(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|offer| offer.to_str().ok());
    offers.flat_map(|offer| offer.split(',')).any(|coding| coding.trim() == "gzip")
}

/// Initial metadata, the message, and trailers. As Qdrant's, it is compressed for whoever offers gzip.
fn success(message: &[u8], gzip: bool) -> Outcome<Response<Body>> {
    let coded = if gzip { compressed(message)? } else { message.to_vec() };
    let message = framed(gzip, &coded).ok_or(Rejection::Write)?;
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    // Streamed: as Qdrant's, it has no content-length.
    let frames = [Ok::<_, Infallible>(Frame::data(message)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(body::boxed(StreamBody::new(stream::iter(frames))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if gzip {
        response.headers_mut().insert(ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn compressed(message: &[u8]) -> Outcome<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).and_then(|()| encoder.finish()).map_err(|_| Rejection::Write)
}

/// A status alone, in the initial metadata: "trailers-only".
fn error(why: &Rejection) -> Response<Body> {
    let mut response = Response::new(body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(u16::from(why.grpc_status())));
    let message = utf8_percent_encode(&why.over_grpc(), ENCODED).to_string();
    if let Some(message) = HeaderValue::from_str(&message).ok().filter(|message| !message.is_empty()) {
        headers.insert(MESSAGE, message);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn body(flag: bool, message: &[u8]) -> Bytes {
        framed(flag, message).unwrap()
    }

    #[test]
    fn compressed_requests_are_read_where_their_coding_is_gzip() {
        let gzip = headers(ENCODING, "gzip");
        let coded = compressed(b"a message").unwrap();
        assert_eq!(received(&gzip, &body(true, &coded)), Ok(Bytes::from_static(b"a message")));
        assert_eq!(received(&gzip, &body(false, b"a message")), Ok(Bytes::from_static(b"a message")));
        assert_eq!(received(&headers(ENCODING, "deflate"), &body(true, &coded)), Err(Rejection::Coding));
        assert_eq!(received(&HeaderMap::new(), &body(true, &coded)), Err(Rejection::Coding));
        assert_eq!(received(&gzip, &body(true, b"no gzip")), Err(Rejection::Body));
        let bomb = compressed(&vec![0; BODY_LIMIT + 1]).unwrap();
        assert_eq!(received(&gzip, &body(true, &bomb)), Err(Rejection::Body));
        assert_eq!(received(&gzip, &Bytes::from_static(b"\0\0")), Err(Rejection::Protobuf));
    }

    #[test]
    fn responses_are_compressed_only_where_gzip_was_offered() {
        for (offer, gzip) in
            [("identity, deflate, gzip", true), ("gzip", true), ("identity", false), ("zstd", false)]
        {
            assert_eq!(offers_gzip(&headers(ACCEPT_ENCODING, offer)), gzip, "{offer}");
            let response = success(b"a message", gzip).unwrap();
            assert_eq!(response.headers().get(ENCODING).is_some(), gzip);
        }
        assert!(!offers_gzip(&HeaderMap::new()));
    }
}
