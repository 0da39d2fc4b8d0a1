"""The recipe of docs/recipes.md for LlamaIndex over Qdrant."""

# --- recipe
from contextvars import ContextVar
from urllib.parse import quote

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient, QdrantClient

asked = ContextVar("asked", default={})  # the query that this thread or task embedded last


def tell_rerankd(request):
    request.headers.update(asked.get())


async def atell_rerankd(request):
    tell_rerankd(request)


class AskingEmbedding(BaseEmbedding):
    """Your embedding model; also remembers each query, so that rerankd gets its text."""

    model: BaseEmbedding

    def remember(self, query, vector):
        start = ",".join(str(float(x)) for x in vector[:3])
        asked.set({"x-rerank-query": quote(query), "x-rerank-vector": start})
        return vector

    def _get_query_embedding(self, query):
        return self.remember(query, self.model.get_query_embedding(query))

    async def _aget_query_embedding(self, query):
        return self.remember(query, await self.model.aget_query_embedding(query))

    def _get_text_embedding(self, text):
        return self.model.get_text_embedding(text)


def open_index(url, collection, model):
    store = QdrantVectorStore(
        collection_name=collection,
        client=QdrantClient(url=url, event_hooks={"request": [tell_rerankd]}),
        aclient=AsyncQdrantClient(url=url, event_hooks={"request": [atell_rerankd]}),
    )
    return VectorStoreIndex.from_vector_store(store, embed_model=AskingEmbedding(model=model))
# --- recipe
