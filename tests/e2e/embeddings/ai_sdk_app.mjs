// Vercel's AI SDK, with Qdrant's and OpenSearch's clients. It knows nothing of rerankd.
import { openai } from '@ai-sdk/openai';
import { Client } from '@opensearch-project/opensearch';
import { QdrantClient } from '@qdrant/js-client-rest';
import { embed } from 'ai';

import { LIMIT, OPENSEARCH_URL, QDRANT_URL, QUESTIONS, tell } from './told.mjs';

const qdrant = new QdrantClient({ url: QDRANT_URL });
const opensearch = new Client({ node: OPENSEARCH_URL });
for (const question of QUESTIONS) {
  const { embedding } = await embed({ model: openai.embedding('text-embedding-3-small'), value: question });
  const { points } = await qdrant.query('demo', { query: embedding, limit: LIMIT, with_payload: true });
  tell('Qdrant', question, points.map((point) => point.payload.text));
  const query = { knn: { embedding: { vector: embedding, k: LIMIT } } };
  const { body } = await opensearch.search({ index: 'passages', body: { size: LIMIT, query } });
  tell('OpenSearch', question, body.hits.hits.map((hit) => hit._source.content));
}
