// The recipe of docs/recipes.md for @qdrant/js-client-rest (1.18 or newer).

// --- recipe
import { withHeaders } from '@qdrant/js-client-rest';

export function search(client, collection, text, vector, limit) {
  const headers = { 'x-rerank-query': encodeURIComponent(text) };
  return withHeaders(headers, () => client.query(collection, { query: vector, limit, with_payload: true }));
}
// --- recipe
