// LangChain for JavaScript over OpenAI's embeddings, with Qdrant. It knows nothing of rerankd.
import { OpenAIEmbeddings } from '@langchain/openai';
import { QdrantVectorStore } from '@langchain/qdrant';

import { LIMIT, QDRANT_URL, QUESTIONS, tell } from './told.mjs';

const store = await QdrantVectorStore.fromExistingCollection(new OpenAIEmbeddings(), {
  url: QDRANT_URL,
  collectionName: 'demo',
  contentPayloadKey: 'text',
});
for (const question of QUESTIONS) {
  const documents = await store.asRetriever(LIMIT).invoke(question);
  tell('Qdrant', question, documents.map((document) => document.pageContent));
}
