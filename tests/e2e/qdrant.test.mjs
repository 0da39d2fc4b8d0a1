// @qdrant/js-client-rest through rerankd, in front of qdrant_standin.py (no registry has the Qdrant server).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { QdrantClient, withHeaders } from '@qdrant/js-client-rest';
import { search } from './recipes/qdrant_app.mjs';
import { asking, COHERE, COHERE_FAILING, corpus, COUNT, DIRECT, FAILING, PROXY, provider, providerState, reranked } from './support.mjs';

const name = `kb-js-${randomUUID().slice(0, 8)}`;
const connect = (url) => new QdrantClient({ url, checkCompatibility: false });
const [direct, proxied, failing] = [DIRECT, PROXY, FAILING].map(connect);
const vector = corpus.query_vector;
const [QUERY, WIDE_TEXT] = corpus.queries;

/** The points of a page as they must come back, from the database's own response. */
async function wanted(text, offset, limit) {
  const { points } = await direct.query(name, { query: vector, limit: COUNT, with_payload: true });
  const own = Object.fromEntries(points.map((point) => [point.id, point]));
  const order = await reranked(points.map((point) => point.id), text);
  return order.slice(offset, offset + limit).map((id) => own[id]);
}

/** Ids first: a difference in order is then said in one line. */
function equal(points, expected) {
  const ids = (list) => list.map((point) => point.id).join(' ');
  assert.equal(ids(points), ids(expected));
  assert.deepEqual(points, expected);
}

before(async () => {
  await provider(COHERE, 'ok');
  await proxied.createCollection(name, { vectors: { size: 4, distance: 'Cosine' } });
  const points = Object.entries(corpus.documents).map(([id, payload]) => ({ id: Number(id), vector: corpus.vectors[id], payload }));
  await proxied.upsert(name, { wait: true, points });
});

after(async () => {
  assert.deepEqual((await providerState(COHERE)).violations, []);
  assert.deepEqual(await (await fetch(`${DIRECT}/seen`)).json(), []);
  await proxied.deleteCollection(name);
});

test('what is written through rerankd arrives', async () => {
  assert.equal((await direct.count(name)).count, COUNT);
  assert.deepEqual(await proxied.scroll(name, { limit: COUNT }), await direct.scroll(name, { limit: COUNT }));
});

test('recipe', async () => {
  for (const text of [QUERY, WIDE_TEXT]) {
    const { points } = await search(proxied, name, text, vector, 8);
    equal(points, await wanted(text, 0, 8));
    assert.notDeepEqual(points, (await direct.query(name, { query: vector, limit: 8, with_payload: true })).points);
  }
});

test('without payload none comes back', async () => {
  const { points } = await withHeaders(asking(QUERY), () => proxied.query(name, { query: vector, limit: 8 }));
  assert.deepEqual(points.map((point) => point.id), (await wanted(QUERY, 0, 8)).map((point) => point.id));
  assert.ok(points.every((point) => !('payload' in point)));
});

test('batch, and pages past the window', async () => {
  const searches = [0, 20, 40, 60].map((offset) => ({ query: vector, limit: 20, offset, with_payload: true }));
  const responses = await withHeaders(asking(QUERY), () => proxied.queryBatch(name, { searches }));
  equal(responses.flatMap((response) => response.points), await wanted(QUERY, 0, COUNT));
});

test('the provider fails', async () => {
  for (const mode of ['429', '500', 'garbage']) {
    await provider(COHERE_FAILING, mode);
    const body = { query: vector, limit: 9, offset: 3, with_payload: true };
    const { points } = await withHeaders(asking(`${QUERY} in JavaScript when it says ${mode}`), () => failing.query(name, body));
    equal(points, (await direct.query(name, body)).points);
  }
  await provider(COHERE_FAILING, 'ok');
});
