"""The recipe of docs/recipes.md for LangChain over Qdrant. RERANKD_URL is where rerankd listens."""

# --- recipe
from contextvars import ContextVar
from urllib.parse import quote

from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

asked = ContextVar("asked", default={})  # the query that this thread or task embedded last


def tell_rerankd(request):
    request.headers.update(asked.get())


class AskingEmbeddings(Embeddings):
    """Your embeddings; also remembers each query, so that rerankd gets its text."""

    def __init__(self, embeddings):
        self.embeddings = embeddings

    def embed_documents(self, texts):
        return self.embeddings.embed_documents(texts)

    def embed_query(self, text):
        vector = self.embeddings.embed_query(text)
        start = ",".join(str(float(x)) for x in vector[:3])
        asked.set({"x-rerank-query": quote(text), "x-rerank-vector": start})
        return vector


def open_store(url, collection, embeddings):
    client = QdrantClient(url=url, event_hooks={"request": [tell_rerankd]})
    return QdrantVectorStore(client, collection, embedding=AskingEmbeddings(embeddings))
# --- recipe
