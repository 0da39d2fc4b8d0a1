"""LlamaIndex over OpenAI's embeddings, with Qdrant and OpenSearch. It knows nothing of rerankd."""

import warnings

warnings.filterwarnings("ignore")

from llama_index.core import VectorStoreIndex
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.vector_stores.opensearch import OpensearchVectorClient, OpensearchVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from told import LIMIT, OPENSEARCH_URL, QDRANT_URL, QUESTIONS, tell

client = OpensearchVectorClient(OPENSEARCH_URL, "passages", 16, embedding_field="embedding", text_field="content")
stores = {
    "Qdrant": QdrantVectorStore("demo", client=QdrantClient(url=QDRANT_URL)),
    "OpenSearch": OpensearchVectorStore(client),
}
for name, store in stores.items():
    index = VectorStoreIndex.from_vector_store(store, embed_model=OpenAIEmbedding())
    retriever = index.as_retriever(similarity_top_k=LIMIT)
    for question in QUESTIONS:
        tell(name, question, [found.node.text for found in retriever.retrieve(question)])
