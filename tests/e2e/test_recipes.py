"""The recipes of docs/recipes.md for LangChain, LlamaIndex and Haystack, run as written.

First stage: a toy embedder that hashes words, so that no model has to be fetched. Database: `qdrant_standin.py`.
"""

import asyncio
import hashlib
import uuid

import pytest
from qdrant_client import QdrantClient

import cohere_standin
import corpus
from support import COHERE, COHERE_FAILING, DIRECT, FAILING, PROXY, http, needs_database, provider, provider_state

pytestmark = needs_database

QUERY = corpus.QUERIES[1]
LIMIT = 8


def embed(text: str) -> list[float]:
    vector = [0.01] * 12
    for word in cohere_standin.words(text):
        vector[hashlib.sha256(word.encode()).digest()[0] % 12] += 1.0
    return vector


def texts() -> list[str]:
    return [document["body"] for document in corpus.documents().values()]


def collection() -> str:
    return "c" + uuid.uuid4().hex[:12]


def own_order(name: str, text_of, query: str, limit: int = 50) -> list[str]:
    """The texts as the database itself ranks them."""
    points = QdrantClient(url=DIRECT).query_points(name, query=embed(query), limit=limit).points
    return [text_of(point.payload) for point in points]


def reranked(own: list[str], query: str) -> list[str]:
    return sorted(own, key=lambda text: -cohere_standin.score(query, text))


def check(found: list[str], own: list[str], query: str = QUERY) -> None:
    wanted = reranked(own, query)[: len(found)]
    assert found == wanted
    assert found != own[: len(found)], "the first stage is already in this order: the test shows nothing"


@pytest.fixture(autouse=True)
def database_saw_nothing_of_rerankd():
    provider(COHERE, "ok")
    yield
    assert http("GET", DIRECT + "/seen").json() == []
    assert provider_state(COHERE)["violations"] == []


# LangChain


def langchain_store(url, name):
    from langchain_core.embeddings import Embeddings

    from recipes.langchain_app import open_store

    class Toy(Embeddings):
        def embed_documents(self, texts):
            return [embed(text) for text in texts]

        def embed_query(self, text):
            return embed(text)

    from qdrant_client import models

    client = QdrantClient(url=url)
    if not client.collection_exists(name):
        client.create_collection(
            name, vectors_config=models.VectorParams(size=12, distance=models.Distance.COSINE)
        )
    return open_store(url, name, Toy())


def test_langchain():
    name = collection()
    store = langchain_store(PROXY, name)
    store.add_texts(texts(), [{"number": n} for n in range(len(texts()))])
    own = own_order(name, lambda payload: payload["page_content"], QUERY)
    check([one.page_content for one in store.similarity_search(QUERY, k=LIMIT)], own)
    retriever = store.as_retriever(search_kwargs={"k": LIMIT})
    check([one.page_content for one in retriever.invoke(QUERY)], own)
    check([one.page_content for one in asyncio.run(retriever.ainvoke(QUERY))], own)
    scored = store.similarity_search_with_score(QUERY, k=LIMIT)
    check([one.page_content for one, _ in scored], own)
    kept = {text: score for text, score in direct_scores(name, "page_content")}
    assert [score for _, score in scored] == [kept[one.page_content] for one, _ in scored]


def direct_scores(name, key):
    points = QdrantClient(url=DIRECT).query_points(name, query=embed(QUERY), limit=50).points
    return [(point.payload[key], point.score) for point in points]


def test_langchain_a_stale_header_changes_nothing():
    """A search by another vector than the one embedded last keeps the database's order."""
    name = collection()
    store = langchain_store(PROXY, name)
    store.add_texts(texts())
    store.embeddings.embed_query(QUERY)
    found = store.similarity_search_by_vector([0.5] + embed("orchard")[1:], k=LIMIT)
    direct = QdrantClient(url=DIRECT).query_points(name, query=[0.5] + embed("orchard")[1:], limit=LIMIT).points
    assert [one.page_content for one in found] == [point.payload["page_content"] for point in direct]


def test_langchain_provider_down():
    name = collection()
    store = langchain_store(FAILING, name)
    store.add_texts(texts())
    own = own_order(name, lambda payload: payload["page_content"], "violin one")
    provider(COHERE_FAILING, "500")
    assert [one.page_content for one in store.similarity_search("violin one", k=LIMIT)] == own[:LIMIT]


# LlamaIndex


def llama_index(url, name):
    from llama_index.core.embeddings import BaseEmbedding

    from recipes.llama_index_app import open_index

    class Toy(BaseEmbedding):
        def _get_query_embedding(self, query):
            return embed(query)

        async def _aget_query_embedding(self, query):
            return embed(query)

        def _get_text_embedding(self, text):
            return embed(text)

    return open_index(url, name, Toy())


def test_llama_index():
    from llama_index.core.schema import TextNode

    name = collection()
    index = llama_index(PROXY, name)
    index.insert_nodes([TextNode(text=text, metadata={"number": n}) for n, text in enumerate(texts())])
    own = own_order(name, llama_text, QUERY)
    retriever = llama_index(PROXY, name).as_retriever(similarity_top_k=LIMIT)
    check([one.text for one in retriever.retrieve(QUERY)], own)

    async def ask():
        # An asyncio client belongs to the loop it is first used in.
        return await llama_index(PROXY, name).as_retriever(similarity_top_k=LIMIT).aretrieve(QUERY)

    check([one.text for one in asyncio.run(ask())], own)


def llama_text(payload):
    import json

    return json.loads(payload["_node_content"])["text"] or payload["text"]


# Haystack


def test_haystack():
    from haystack import Document, component

    from recipes.haystack_app import open_store, search_pipeline

    @component
    class Toy:
        @component.output_types(embedding=list[float])
        def run(self, text: str):
            return {"embedding": embed(text)}

    name = collection()
    store = open_store(PROXY, name, 12)
    store.write_documents([Document(content=text, embedding=embed(text)) for text in texts()])
    own = own_order(name, lambda payload: payload["content"], QUERY)
    pipeline = search_pipeline(store, Toy())
    found = pipeline.run({"embedder": {"text": QUERY}, "retriever": {"top_k": LIMIT}})
    check([one.content for one in found["retriever"]["documents"]], own)
