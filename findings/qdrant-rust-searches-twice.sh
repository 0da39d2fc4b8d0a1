#!/usr/bin/env bash
# qdrant-client 1.20.0 (Rust): a search that takes longer than the client's 5 s is made twice, and fails after 10 s.
#
# The client's own time-out of 5 s ends a call as CANCELLED, and every call that ends so is made once more on a new
# connection. The server is never told of the time (no `grpc-timeout`): one that is slow under load gets each search twice.
# `Qdrant::from_url(…).timeout(…)` is the way out.
source "$(dirname "$0")/lib.sh"

cat >"$tmp/server.mjs" <<'JS'
import http2 from 'node:http2';
const server = http2.createServer();
server.on('stream', (stream, headers) => {
    console.log('search', headers['grpc-timeout'] ?? 'untold');
    stream.on('error', () => {});
    setTimeout(() => { // an empty answer after 7 s
        if (stream.destroyed) return;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.alloc(5));
    }, 7000);
});
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
JS
node "$tmp/server.mjs" >"$tmp/out" &
pids+=($!)
until grep -q '^port' "$tmp/out"; do sleep 0.1; done

export QDRANT_PORT=$(sed -n 's/^port //p' "$tmp/out")
result=$(rust 'qdrant-client = { version = "=1.20.0", default-features = false }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }' <<'RUST'
use qdrant_client::{Qdrant, QdrantError, qdrant::QueryPointsBuilder};

#[tokio::main]
async fn main() {
    let url = format!("http://127.0.0.1:{}", std::env::var("QDRANT_PORT").unwrap());
    let client = Qdrant::from_url(&url).skip_compatibility_check().build().unwrap();
    let started = std::time::Instant::now();
    let code = match client.query(QueryPointsBuilder::new("docs").query(vec![0.5_f32])).await {
        Ok(_) => "answered".to_owned(),
        Err(QdrantError::ResponseError { status }) => format!("{:?}", status.code()),
        Err(other) => other.to_string(),
    };
    println!("{code} after {:.0} s", started.elapsed().as_secs_f64());
}
RUST
)
saw version 'qdrant-client 1.20.0 (Rust)'
is 'the search, which the server answers in 7 s' "$result" 'Cancelled after 10 s'
is 'searches that the server saw' "$(grep -c '^search untold' "$tmp/out")" 2
