#!/usr/bin/env bash
# http 1.5.0 (Rust): `Uri` takes a URI with a fragment, and silently drops the `#` and all that follows.
#
# The documentation of the type draws the fragment as a part of a URI like the others, but it is not kept: what is parsed is
# printed shorter, without an error and with no way to get at the rest. hyper, reqwest, axum and tonic use this type for
# request targets, where no fragment is allowed (RFC 9112, 3.2): a client that pastes text into a query (`q=C#&size=3`)
# gets another search than it asked for (for "C", of ten hits), and a proxy forwards that without having seen the rest.
# One would expect an error for a target that cannot be, or the text as it came: a quotation mark in its place is an error.
source "$(dirname "$0")/lib.sh"

out=$(rust 'http = "=1.5.0"' <<'RUST'
fn main() {
    println!("{}", "http://localhost/docs?q=C#&size=3".parse::<http::Uri>().unwrap());
    println!("{}", http::Request::get("/docs?q=C#&size=3").body(()).unwrap().uri());
    println!("{:?}", "/docs?q=C\"&size=3".parse::<http::Uri>().is_err());
}
RUST
)
saw version 'http 1.5.0'
is 'http://localhost/docs?q=C#&size=3 becomes' "$(sed -n 1p <<<"$out")" 'http://localhost/docs?q=C'
is 'Request::get("/docs?q=C#&size=3") asks for' "$(sed -n 2p <<<"$out")" '/docs?q=C'
is 'with a quotation mark instead it is an error' "$(sed -n 3p <<<"$out")" true
