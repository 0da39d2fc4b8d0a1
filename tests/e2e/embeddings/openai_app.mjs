// OpenAI's SDK for JavaScript, with Qdrant's client. It knows nothing of rerankd.
import { QdrantClient } from '@qdrant/js-client-rest';
import OpenAI from 'openai';

import { LIMIT, QDRANT_URL, QUESTIONS, tell, tellAnswer } from './told.mjs';

const client = new OpenAI();
const qdrant = new QdrantClient({ url: QDRANT_URL });
for (const question of QUESTIONS) {
  const { data } = await client.embeddings.create({ model: 'text-embedding-3-small', input: question });
  const { points } = await qdrant.query('demo', { query: data[0].embedding, limit: LIMIT, with_payload: true });
  tell('Qdrant', question, points.map((point) => point.payload.text));
}
const messages = [{ role: 'user', content: QUESTIONS[0] }];
const chunks = await client.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true });
let answer = '';
for await (const chunk of chunks) answer += chunk.choices[0].delta.content ?? '';
tellAnswer(answer);
