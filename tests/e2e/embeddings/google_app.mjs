// Google's SDK for JavaScript (Gemini), with Qdrant's client. It knows nothing of rerankd.
import { GoogleGenAI } from '@google/genai';
import { QdrantClient } from '@qdrant/js-client-rest';

import { LIMIT, QDRANT_URL, QUESTIONS, tell, tellAnswer } from './told.mjs';

const client = new GoogleGenAI({});
const qdrant = new QdrantClient({ url: QDRANT_URL });
for (const question of QUESTIONS) {
  const { embeddings } = await client.models.embedContent({ model: 'gemini-embedding-001', contents: question });
  const { points } = await qdrant.query('demo', { query: embeddings[0].values, limit: LIMIT, with_payload: true });
  tell('Qdrant', question, points.map((point) => point.payload.text));
}
let answer = '';
for await (const chunk of await client.models.generateContentStream({ model: 'gemini-2.5-flash', contents: QUESTIONS[0] })) answer += chunk.text;
tellAnswer(answer);
