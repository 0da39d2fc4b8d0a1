// @qdrant/js-client-rest's recorded calls again, through rerankd, answered with what a real Qdrant 1.18.3 said.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { QdrantClient, withHeaders } from '@qdrant/js-client-rest';

const { E2E_RECORDED: RECORDED, E2E_RECORDED_PROXY: PROXY } = process.env;
const QUERY = 'how do I reset my password';
const VECTOR = [-0.450558, -0.521587, 0.052324, -0.522534, 0.49649, 0.017284, 0.048063, 0.00734];
const OTHER = [0.591849, -0.572502, -0.563708, 0.014364, 0.014364, 0.05599, -0.023158, -0.01026];

const filter = { must: [{ key: 'topic', match: { value: 'account' } }] };
const prefetch = [VECTOR, OTHER].map((query) => ({ query, limit: 20 }));
const searches = [{ query: VECTOR, limit: 2 }, { query: OTHER, limit: 1 }];
const rrf = { prefetch, query: { fusion: 'rrf' }, limit: 5, consistency: 'majority', timeout: 7 };
const document = { text: QUERY, model: 'sentence-transformers/all-MiniLM-L6-v2' };

// The call, and what rerankd says to it when it is told the query's text; the recorded responses hold no payload that was not asked for.
const CALLS = {
  '260-js-query': [(one) => one.query('kb', { query: VECTOR, limit: 3 }), 'kept; reason=no_text'],
  '261-js-query-payload': [(one) => one.query('kb', { query: VECTOR, filter, limit: 3, offset: 1, with_payload: true }), 'applied'],
  '262-js-query-rrf': [(one) => one.query('kb', rrf), 'kept; reason=no_text'],
  '263-js-query-batch': [(one) => one.queryBatch('kb', { searches }), undefined],
  '265-js-search': [(one) => one.search('kb', { vector: VECTOR, limit: 3 }), 'applied'],
  '267-js-recommend': [(one) => one.recommend('kb', { positive: [11], negative: [21], limit: 2 }), 'applied'],
  '268-js-scroll': [(one) => one.scroll('kb', { limit: 2 }), undefined],
  '271-js-query-extra-field': [(one) => one.query('kb', { query: VECTOR, limit: 2, rerank: { query: QUERY } }), 'kept; reason=no_text'],
  '273-js-big-id': [(one) => one.query('kb', { limit: 2, offset: 58, with_payload: ['seq'] }), 'kept; reason=not_ranked'],
};
const ERRORS = {
  '269-js-error-404': (one) => one.query('nope', { query: VECTOR, limit: 2 }),
  '272-js-query-document': (one) => one.query('kb', { query: document, limit: 2 }),
};

// This client hides a response's headers; they are noted on the way.
let noted;
const plainFetch = globalThis.fetch;
globalThis.fetch = async (...of) => {
  const response = await plainFetch(...of);
  noted = response.headers.get('x-rerank-status') ?? undefined;
  return response;
};

function make(url, name, call, headers = {}) {
  const one = new QdrantClient({ url, checkCompatibility: false });
  return withHeaders({ 'x-recorded': name, ...headers }, () => call(one));
}
const asking = { 'x-rerank-query': encodeURIComponent(QUERY) };

/** The hits of a result, whatever its form. */
const hits = (result) => (Array.isArray(result) ? result : [result]).flatMap((one) => one.points ?? one);
const sorted = (result) => hits(result).map((hit) => JSON.stringify(hit)).sort();

/** Without what rerankd says in each response of a batch (`answer_block`). */
const plain = (result) => (Array.isArray(result) ? result.map(({ rerank, ...own }) => own) : result);

afterEach(async () => assert.deepEqual(await (await plainFetch(`${RECORDED}/violations`)).json(), []));

for (const [name, [call, status]] of Object.entries(CALLS)) {
  test(`${name}: without a query text the result is the recorded one`, async () => {
    assert.deepEqual(plain(await make(PROXY, name, call)), await make(RECORDED, name, call));
  });

  test(`${name}: with one the same hits come back`, async () => {
    const wanted = await make(RECORDED, name, call);
    const result = await make(PROXY, name, call, asking);
    if (status !== undefined) assert.equal(noted, status);
    assert.deepEqual(sorted(result), sorted(wanted));
    if (noted !== 'applied') assert.deepEqual(plain(result), wanted);
  });
}

test('each response of a batch says in its body how it ended', async () => {
  const [call] = CALLS['263-js-query-batch'];
  const result = await make(PROXY, '263-js-query-batch', call);
  assert.deepEqual(result.map((one) => one.rerank.reason), ['no_query', 'no_query']);
});

test('a reranked page begins with the response', async () => {
  const [call] = CALLS['265-js-search'];
  const [before, after] = [await make(RECORDED, '265-js-search', call), await make(PROXY, '265-js-search', call, asking)];
  assert.notDeepEqual(after, before);
  const words = (hit) => QUERY.split(' ').filter((word) => (hit.payload.text ?? '').toLowerCase().includes(word)).length;
  assert.equal(words(after[0]), Math.max(...before.map(words)));
});

for (const [name, call] of Object.entries(ERRORS)) {
  test(`${name}: the error is the recorded one`, async () => {
    const problems = [];
    for (const [url, headers] of [[RECORDED, {}], [PROXY, {}], [PROXY, asking]]) {
      const error = await make(url, name, call, headers).then(() => assert.fail('no error'), (error) => error);
      problems.push([error.status, error.statusText, error.data]);
    }
    assert.deepEqual(problems[1], problems[0]);
    assert.deepEqual(problems[2], problems[0]);
  });
}
