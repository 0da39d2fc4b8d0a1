#!/usr/bin/env bash
# http 1.5.0 (Rust): `HeaderMap::remove` moves the last header into the place of the removed one.
#
# The order is documented as incidental, but in practice it is that of insertion, hyper writes headers in it, and people see
# their headers arrive as they wrote them; until one name is taken out: then the last one jumps forward. A proxy that does
# no more than to remove its own control header sends the others in an order that no client wrote, and another one for
# another header: what hashes or fingerprints the head, or compares the forwarded bytes, sees it. One would expect the
# rest to stay as it was, as in a list.
source "$(dirname "$0")/lib.sh"

out=$(rust 'http = "=1.5.0"' <<'RUST'
use http::{HeaderMap, HeaderName, HeaderValue};
fn main() {
    let mut headers = HeaderMap::new();
    for name in ["host", "x-rerank-query", "accept", "content-type", "user-agent"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    let names = |headers: &HeaderMap| headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" ");
    println!("{}", names(&headers));
    headers.remove("x-rerank-query");
    println!("{}", names(&headers));
}
RUST
)
saw version 'http 1.5.0'
is 'as inserted' "$(sed -n 1p <<<"$out")" 'host x-rerank-query accept content-type user-agent'
is 'after remove("x-rerank-query")' "$(sed -n 2p <<<"$out")" 'host user-agent accept content-type'
