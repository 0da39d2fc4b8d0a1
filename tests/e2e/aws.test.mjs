// @opensearch-project/opensearch with its signer for AWS, through rerankd, which signs anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '@opensearch-project/opensearch';
import * as aws from '@opensearch-project/opensearch/aws';
import { asking, corpus, DIRECT, PROXY, reranked } from './support.mjs';

const { AwsSigv4Signer } = aws.default ?? aws;
const getCredentials = async () => ({ accessKeyId: 'AKIDOFCLIENT', secretAccessKey: 'client/K7MDENG+bPxRfiCYEXAMPLEKEYclientkey' });
const connect = (node) => new Client({ ...AwsSigv4Signer({ region: 'eu-west-1', service: 'es', getCredentials }), node, maxRetries: 0 });
const standin = async () => (await fetch(`${DIRECT}/_standin`)).json();
const body = { query: { match: { body: corpus.first_stage } }, size: 10 };
const ids = ({ body }) => body.hits.hits.map((hit) => hit._id);
const order = Object.keys(corpus.documents);
const [query] = corpus.queries;

test('the stand-in takes what the client itself has signed', async () => {
  assert.deepEqual(ids(await connect(DIRECT).search({ index: 'notes', body })), order.slice(0, 10));
  assert.equal((await standin()).key, 'AKIDOFCLIENT');
});

test('a signed search is reranked and signed anew', async () => {
  const response = await connect(PROXY).search({ index: 'notes', body }, { headers: asking(query) });
  assert.equal(response.headers['x-rerank-status'], 'applied');
  assert.deepEqual(ids(response), (await reranked(order, query)).slice(0, 10));
  const said = await standin();
  assert.equal(said.key, 'AKIDEXAMPLE');
  assert.ok(!JSON.stringify(said.headers).includes('AKIDOFCLIENT'));
});

test('whatever else the client calls is signed anew', async () => {
  const proxied = connect(PROXY);
  const lines = order.flatMap((id) => [{ index: { _index: 'notes', _id: id } }, corpus.documents[id]]);
  await proxied.bulk({ body: lines });
  await proxied.indices.refresh({ index: ['notes', 'other-*'] });
  await proxied.count({ index: 'notes', q: 'title:"a b+c" AND (x OR y)' });
  await proxied.delete({ index: 'notes', id: 'a/b c+é' });
  assert.equal((await standin()).key, 'AKIDEXAMPLE');
});

test('who does not sign is refused', async () => {
  await assert.rejects(new Client({ node: PROXY, maxRetries: 0 }).search({ index: 'notes', body }), (error) => {
    assert.equal(error.statusCode, 403);
    return /signed for AWS/.test(error.body.error.reason);
  });
});
