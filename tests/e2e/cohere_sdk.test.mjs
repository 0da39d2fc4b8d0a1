// cohere-ai through rerankd's own rerank endpoint, in front of cohere_standin.py (nobody reaches the real service).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CohereClient, CohereClientV2, CohereError } from 'cohere-ai';
import { COHERE, COHERE_FAILING, provider, providerState } from './support.mjs';

const { E2E_API: API, E2E_API_FAILING: FAILING } = process.env;
const model = 'rerank-v3.5';
const documents = ['The firm was started in 2019.', 'To reset a forgotten password open Settings.', 'A password needs eight characters.'];
const connect = (environment) => new CohereClientV2({ token: 'not-the-real-one', environment });
const client = connect(API);
const fresh = () => `reset a password ${Math.random()}`;
const order = (response) => response.results.map((result) => result.index);

async function status(promise) {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof CohereError, `${error}`);
    return [error.statusCode, error.body?.message ?? ''];
  }
  return assert.fail('no error');
}

before(() => provider(COHERE, 'ok'));
after(async () => assert.deepEqual((await providerState(COHERE)).violations, []));

test('v2, and its second time from the cache', async () => {
  const query = fresh();
  const first = await client.rerank({ model, query, documents, topN: 2 });
  assert.deepEqual(order(first), [1, 2]);
  assert.match(first.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  assert.equal(first.meta.billedUnits.searchUnits, 1);
  const { calls } = await providerState(COHERE);
  const again = await client.rerank({ model, query, documents });
  assert.deepEqual(order(again), [1, 2, 0]);
  assert.equal(again.meta.billedUnits.searchUnits, 0);
  assert.equal((await providerState(COHERE)).calls, calls);
});

test('v1 gives documents back', async () => {
  const old = new CohereClient({ token: 'any', environment: API });
  const response = await old.rerank({ query: fresh(), documents, returnDocuments: true });
  assert.deepEqual(response.results.map((result) => result.document.text), [1, 2, 0].map((at) => documents[at]));
});

test('a text that was cut inside a character', async () => {
  const response = await client.rerank({ model, query: fresh(), documents: ['a password 😀'.slice(0, -1), 'b'] });
  assert.deepEqual(order(response), [0, 1]);
});

test('many at once are one call', async () => {
  const { calls } = await providerState(COHERE);
  const asked = { model, query: fresh(), documents };
  const responses = await Promise.all(Array.from({ length: 20 }, () => client.rerank(asked)));
  assert.ok(responses.every((response) => response.results[0].index === 1));
  assert.equal((await providerState(COHERE)).calls, calls + 1);
});

test("the caller's mistakes", async () => {
  const wrong = [
    [{ documents: ['a', ' '] }, 400, 'document at index 1 cannot be empty'],
    [{ query: '' }, 400, 'query must not be empty'],
    [{ maxTokensPerDoc: 7 }, 422, 'max_tokens_per_doc is 4096'],
  ];
  for (const [change, code, text] of wrong) {
    const [got, message] = await status(client.rerank({ model, query: 'q', documents, ...change }));
    assert.equal(got, code);
    assert.ok(message.includes(text), message);
  }
  const [got, message] = await status(connect(`${API}/v2`).rerank({ model, query: 'q', documents }));
  assert.equal(got, 404);
  assert.ok(message.includes('must not end in /v1'), message);
});

test('a failing provider is an error after a bounded number of tries', async () => {
  const failing = connect(FAILING);
  for (const [mode, code] of [['500', 503], ['hang', 504], ['429', 429]]) {
    await provider(COHERE_FAILING, mode);
    const begun = Date.now();
    const [got] = await status(failing.rerank({ model, query: fresh(), documents }));
    assert.equal(got, code, mode);
    assert.ok(Date.now() - begun < 15_000, `${mode} took ${Date.now() - begun} ms`);
  }
  await provider(COHERE_FAILING, 'ok');
});
