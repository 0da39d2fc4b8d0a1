#!/usr/bin/env bash
# @qdrant/js-client-rest 1.19.0: `withHeaders(headers, callback)` sends the headers only with calls made before the
# callback's first `await`.
#
# It keeps the headers in a module variable and puts the old ones back when the callback returns, which an async callback
# does at its first `await`. So of two searches in one callback the first has the header and the second has not, without an
# error. For a proxy that is told the question in a header, the second search of each request is silently left alone. One
# would expect the context to last until the promise is settled, as with AsyncLocalStorage.
source "$(dirname "$0")/lib.sh"

npm_install @qdrant/js-client-rest@1.19.0
cat >"$tmp/run.mjs" <<'JS'
import http from 'node:http';
import { QdrantClient, withHeaders } from '@qdrant/js-client-rest';
const server = http.createServer((request, answer) => {
    request.resume().on('end', () => {
        console.log(request.headers['x-question'] ?? 'none');
        answer.setHeader('content-type', 'application/json');
        answer.end('{"result":{"points":[]},"status":"ok","time":0.1}');
    });
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const client = new QdrantClient({ url: `http://127.0.0.1:${server.address().port}`, checkCompatibility: false });
await withHeaders({ 'x-question': 'red shoes' }, async () => {
    await client.query('docs', { query: [0.5, 0.25], limit: 3 });
    await client.query('more', { query: [0.5, 0.25], limit: 3 });
});
server.close();
server.closeAllConnections();
JS
out=$(node "$tmp/run.mjs")
saw version '@qdrant/js-client-rest 1.19.0'
is 'x-question of the first search' "$(sed -n 1p <<<"$out")" 'red shoes'
is 'x-question of the second search' "$(sed -n 2p <<<"$out")" none
