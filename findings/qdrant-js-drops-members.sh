#!/usr/bin/env bash
# @qdrant/js-client-rest 1.19.0: members of a search that the client does not know are not sent, and nobody is told.
#
# JavaScript clients of HTTP APIs as a rule stringify what they are given, and those of Elasticsearch and OpenSearch do
# so for the body. This one copies the members that it knows. So an option in the body for a proxy in front (or one of a
# newer server than the client) never leaves the process, the search succeeds, and it looks as if the server ignored it.
source "$(dirname "$0")/lib.sh"

npm_install @qdrant/js-client-rest@1.19.0
cat >"$tmp/run.mjs" <<'JS'
import http from 'node:http';
import { QdrantClient } from '@qdrant/js-client-rest';
const server = http.createServer((request, answer) => {
    let body = '';
    request.on('data', (part) => (body += part)).on('end', () => {
        console.log(body);
        answer.setHeader('content-type', 'application/json');
        answer.end('{"result":{"points":[]},"status":"ok","time":0.1}');
    });
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const client = new QdrantClient({ url: `http://127.0.0.1:${server.address().port}`, checkCompatibility: false });
await client.query('docs', { query: [0.5, 0.25], limit: 3, with_payload: true, rerank: { query: 'red shoes' } });
server.close();
server.closeAllConnections();
JS
saw version '@qdrant/js-client-rest 1.19.0'
is 'body of query() with {…, rerank: {…}}' "$(node "$tmp/run.mjs")" \
    '{"query":[0.5,0.25],"limit":3,"with_payload":true}'
