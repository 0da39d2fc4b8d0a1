// What the JavaScript checks share: where things listen, the corpus, and the order that a reranked response must have.
import { readFileSync } from 'node:fs';

export const { E2E_DIRECT: DIRECT, E2E_PROXY: PROXY, E2E_FAILING: FAILING } = process.env;
export const { E2E_COHERE: COHERE, E2E_COHERE_FAILING: COHERE_FAILING, E2E_BACKEND: BACKEND } = process.env;
export const corpus = JSON.parse(readFileSync(process.env.E2E_CORPUS, 'utf8'));
export const COUNT = Object.keys(corpus.documents).length;
export const FIRST = { match: { body: corpus.first_stage } };
export const WINDOW = 50;

async function post(url, body) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}

/** Tells a Cohere stand-in how to answer from now on. */
export const provider = (url, mode) => post(`${url}/control`, { mode });

export const providerState = async (url) => (await fetch(`${url}/control`)).json();

/** `ids` is the database's own order; the window is sorted by score, ties and the rest keep their order. */
export async function reranked(ids, query) {
  const head = ids.slice(0, WINDOW);
  const documents = head.map((id) => `${corpus.documents[id].title}\n${corpus.documents[id].body}`);
  const { scores } = await post(`${COHERE}/score`, { query, documents });
  const order = head.map((_, place) => place).sort((a, b) => scores[b] - scores[a] || a - b);
  return [...order.map((place) => head[place]), ...ids.slice(WINDOW)];
}

export const asking = (text) => ({ 'x-rerank-query': encodeURIComponent(text) });
