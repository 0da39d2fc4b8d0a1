#!/usr/bin/env bash
# serde_json 1.0.154: a struct with a `RawValue` parses alone, but not below `#[serde(flatten)]`, and fails at run time.
#
# `RawValue` keeps a part of a message as its bytes, just what a proxy wants that moves hits without printing them again,
# and `flatten` shares the members of several answers. Both compile together; then every valid message is refused, because
# flatten first reads into a buffer that knows nothing of raw values. The error blames the message ("invalid type: newtype
# struct"). One would expect it to work, or not to compile.
source "$(dirname "$0")/lib.sh"

out=$(rust 'serde = { version = "=1.0.228", features = ["derive"] }
serde_json = { version = "=1.0.154", features = ["raw_value"] }' <<'RUST'
use serde::Deserialize;
use serde_json::value::RawValue;
#[derive(Deserialize)]
struct Page {
    hits: Box<RawValue>,
}
#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    page: Page,
}
fn main() {
    let text = r#"{"hits": [1.0, 2.50]}"#;
    println!("{}", serde_json::from_str::<Page>(text).unwrap().hits.get());
    match serde_json::from_str::<Answer>(text) {
        Ok(answer) => println!("{}", answer.page.hits.get()),
        Err(error) => println!("{error}"),
    }
}
RUST
)
saw version 'serde_json 1.0.154'
is 'alone' "$(sed -n 1p <<<"$out")" '[1.0, 2.50]'
is 'flattened' "$(sed -n 2p <<<"$out")" \
    'invalid type: newtype struct, expected any valid JSON value at line 1 column 21'
