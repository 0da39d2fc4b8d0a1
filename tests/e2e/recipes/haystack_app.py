"""The recipe of docs/recipes.md for Haystack over Qdrant."""

# --- recipe
from contextvars import ContextVar
from urllib.parse import quote

from haystack import Pipeline, component
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

asked = ContextVar("asked", default={})  # the query that this thread embedded last


def tell_rerankd(request):
    request.headers.update(asked.get())


@component
class AskingTextEmbedder:
    """Your text embedder; also remembers each query, so that rerankd gets its text."""

    def __init__(self, embedder):
        self.embedder = embedder

    @component.output_types(embedding=list[float])
    def run(self, text: str):
        vector = self.embedder.run(text=text)["embedding"]
        start = ",".join(str(float(x)) for x in vector[:3])
        asked.set({"x-rerank-query": quote(text), "x-rerank-vector": start})
        return {"embedding": vector}


def open_store(url, collection, dimensions):
    hooks = {"request": [tell_rerankd]}
    return QdrantDocumentStore(
        url=url, index=collection, embedding_dim=dimensions, client_kwargs={"event_hooks": hooks}
    )


def search_pipeline(store, embedder):
    pipeline = Pipeline()
    pipeline.add_component("embedder", AskingTextEmbedder(embedder))
    pipeline.add_component("retriever", QdrantEmbeddingRetriever(store))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    return pipeline
# --- recipe
