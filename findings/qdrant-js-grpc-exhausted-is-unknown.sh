#!/usr/bin/env bash
# @qdrant/js-client-grpc 1.19.0: RESOURCE_EXHAUSTED with `retry-after` reaches the caller as UNKNOWN, without its metadata.
#
# The client means to raise QdrantClientResourceExhaustedError with `retry_after`, as its sister for REST does. It throws
# it in an interceptor, below connect-es, which takes it for an error of no gRPC call and wraps it: the code is 2, the error
# that one would look for is only its `cause`, and that says 3 seconds where the server said 30 (the first character). The
# same status without `retry-after` arrives as it should. Whoever retries by code retries nothing, or at once.
source "$(dirname "$0")/lib.sh"

npm_install @qdrant/js-client-grpc@1.19.0
cat >"$tmp/run.mjs" <<'JS'
import http2 from 'node:http2';
import { QdrantClient } from '@qdrant/js-client-grpc';
const server = http2.createServer();
let extra = {};
server.on('stream', (stream) => {
    const status = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '8', 'grpc-message': 'slower' };
    stream.respond({ ...status, ...extra }, { endStream: true });
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const client = new QdrantClient({ host: '127.0.0.1', port: server.address().port, checkCompatibility: false });
for (extra of [{}, { 'retry-after': '30' }]) {
    await client.api('points').count({ collectionName: 'docs' }).catch((error) => {
        console.log(error.code, error.retry_after ?? 'none', error.cause?.retry_after ?? 'none');
    });
}
process.exit(0);
JS
out=$(node "$tmp/run.mjs")
saw version '@qdrant/js-client-grpc 1.19.0'
is 'code, retry_after, and that of the cause: without retry-after' "$(sed -n 1p <<<"$out")" '8 none none'
is 'code, retry_after, and that of the cause: retry-after 30' "$(sed -n 2p <<<"$out")" '2 none 3'
