"""Haystack over OpenAI's embeddings, with OpenSearch. It knows nothing of rerankd."""

from haystack import Pipeline
from haystack.components.embedders import OpenAITextEmbedder
from haystack_integrations.components.retrievers.opensearch import OpenSearchEmbeddingRetriever
from haystack_integrations.document_stores.opensearch import OpenSearchDocumentStore

from told import LIMIT, OPENSEARCH_URL, QUESTIONS, tell

store = OpenSearchDocumentStore(hosts=OPENSEARCH_URL, index="passages", embedding_dim=16, create_index=False)
pipeline = Pipeline()
pipeline.add_component("embedder", OpenAITextEmbedder())
pipeline.add_component("retriever", OpenSearchEmbeddingRetriever(document_store=store, top_k=LIMIT))
pipeline.connect("embedder.embedding", "retriever.query_embedding")
for question in QUESTIONS:
    documents = pipeline.run({"embedder": {"text": question}})["retriever"]["documents"]
    tell("OpenSearch", question, [document.content for document in documents])
