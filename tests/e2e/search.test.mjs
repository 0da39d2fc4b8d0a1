// @opensearch-project/opensearch and @elastic/elasticsearch through rerankd, compared with the same calls to the database.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { asking, BACKEND, COHERE, COHERE_FAILING, corpus, COUNT, DIRECT, FAILING, FIRST, PROXY, provider, providerState, reranked } from './support.mjs';

const elastic = BACKEND === 'elasticsearch';
const module = await import(elastic ? '@elastic/elasticsearch' : '@opensearch-project/opensearch');
const { Client } = module.default ?? module;
const index = `notes-js-${randomUUID().slice(0, 8)}`;
const [QUERY, WIDE_TEXT] = corpus.queries;

/** The clients take a request in different shapes; both give `{ body, headers }` here. */
function connect(url) {
  const raw = new Client({ node: url, maxRetries: 0 });
  const call = async (name, params, body, headers = {}) => {
    if (elastic) return raw[name]({ ...params, ...body }, { meta: true, headers });
    return raw[name]({ ...params, body }, { headers });
  };
  return {
    raw,
    search: (body, headers) => call('search', { index }, body, headers),
    msearch: (lines, headers) =>
      elastic ? raw.msearch({ index, searches: lines }, { meta: true, headers }) : raw.msearch({ index, body: lines }, { headers }),
    bulk: (lines) => (elastic ? raw.bulk({ operations: lines, refresh: true }, { meta: true }) : raw.bulk({ body: lines, refresh: true })),
    create: (body) => (elastic ? raw.indices.create({ index, ...body }) : raw.indices.create({ index, body })),
  };
}

const direct = connect(DIRECT);
const proxied = connect(PROXY);
const failing = connect(FAILING);
const ids = (body) => body.hits.hits.map((hit) => hit._id);

function envelope(body) {
  const { took, ...rest } = body;
  const { hits, ...others } = body.hits;
  return { ...rest, hits: others };
}

async function compare(body, found, query, headers) {
  if (headers) assert.equal(headers['x-rerank-status'], 'applied');
  const wide = (await direct.search({ ...body, from: 0, size: COUNT })).body;
  const own = (await direct.search(body)).body;
  const from = body.from ?? 0;
  assert.deepEqual(ids(found), (await reranked(ids(wide), query)).slice(from, from + (body.size ?? 10)));
  const hits = Object.fromEntries(wide.hits.hits.map((hit) => [hit._id, hit]));
  for (const hit of found.hits.hits) assert.deepEqual(hit, hits[hit._id]);
  assert.deepEqual(envelope(found), envelope(own));
}

before(async () => {
  await provider(COHERE, 'ok');
  const properties = { title: { type: 'text' }, body: { type: 'text' }, topic: { type: 'keyword' }, year: { type: 'integer' } };
  await proxied.create({ settings: { number_of_shards: 1, number_of_replicas: 0 }, mappings: { properties } });
  const lines = Object.entries(corpus.documents).flatMap(([_id, document]) => [{ index: { _index: index, _id } }, document]);
  assert.equal((await proxied.bulk(lines)).body.errors, false);
});

after(async () => {
  assert.deepEqual((await providerState(COHERE)).violations, []);
  await proxied.raw.indices.delete({ index });
  for (const one of [direct, proxied, failing]) await one.raw.close();
});

test('text in a header', async () => {
  for (const text of [QUERY, WIDE_TEXT]) {
    const body = { query: FIRST, size: 12 };
    const { body: found, headers } = await proxied.search(body, asking(text));
    await compare(body, found, text, headers);
    assert.notDeepEqual(ids(found), ids((await direct.search(body)).body));
  }
});

test('text in ext', async () => {
  const body = { query: FIRST, size: 5, from: 3 };
  const { body: found, headers } = await proxied.search({ ...body, ext: { rerank: { query: QUERY } } });
  await compare(body, found, QUERY, headers);
});

test('text of the query itself', async () => {
  const text = `${corpus.first_stage} ${corpus.queries[2]}`;
  const body = { query: { match: { body: text } }, size: 15 };
  const { body: found, headers } = await proxied.search(body);
  await compare(body, found, text, headers);
});

test('highlight, collapse, aggregations, source filtering', async () => {
  const body = {
    query: FIRST,
    highlight: { fields: { body: {} } },
    collapse: { field: 'topic' },
    aggs: { topics: { terms: { field: 'topic' } } },
    _source: ['title'],
  };
  const { body: found, headers } = await proxied.search(body, asking(QUERY));
  await compare(body, found, QUERY, headers);
});

test('a walk over pages visits each hit once', async () => {
  const wide = ids((await direct.search({ query: FIRST, size: COUNT })).body);
  const walked = [];
  for (let from = 0; from < COUNT; from += 15) {
    walked.push(...ids((await proxied.search({ query: FIRST, from, size: 15 }, asking(QUERY))).body));
  }
  assert.deepEqual(walked, await reranked(wide, QUERY));
  assert.deepEqual(walked.toSorted(), wide.toSorted());
});

test('msearch', async () => {
  const one = { query: FIRST, size: 5, ext: { rerank: { query: QUERY } } };
  const two = { query: FIRST, size: 0, aggs: { topics: { terms: { field: 'topic' } } } };
  const { body: found } = await proxied.msearch([{}, one, {}, two]);
  const { body: own } = await direct.msearch([{}, { query: FIRST, size: 5 }, {}, two]);
  const { status, ...response } = found.responses[0];
  assert.equal(status, 200);
  await compare({ query: FIRST, size: 5 }, response, QUERY);
  assert.deepEqual({ ...found.responses[1], took: 0 }, { ...own.responses[1], took: 0 });
});

test('the provider fails', async () => {
  for (const mode of ['429', '500', 'garbage']) {
    await provider(COHERE_FAILING, mode);
    const body = { query: FIRST, size: 9, from: 3 };
    const { body: found, headers } = await failing.search(body, asking(`${QUERY} in JavaScript when it says ${mode}`));
    assert.match(headers['x-rerank-status'], /^kept; reason=/);
    assert.deepEqual({ ...found, took: 0 }, { ...(await direct.search(body)).body, took: 0 });
  }
  await provider(COHERE_FAILING, 'ok');
});

test('a response that says in its body how it ended is read', async () => {
  const told = { ...asking(QUERY), 'x-rerank-answer-block': 'on' };
  const { body } = await proxied.search({ query: FIRST }, told);
  assert.equal(body.rerank.status, 'applied');
  const batch = (await proxied.msearch([{}, { query: FIRST }, {}, { query: FIRST, sort: ['year'] }], told)).body;
  assert.deepEqual(batch.responses.map((one) => one.rerank.status), ['applied', 'kept']);
});
