"""Long documents before a real Elasticsearch: which of their passages are read. Its own reranker is in a module that is not
published; rerankd serves such a search, and asks the node for the candidates alone."""

import uuid

import pytest

from clients import client
from support import COHERE, DIRECT, PROXY, check_applied, needs_database, provider, provider_state
from test_search import asking, ids

pytestmark = needs_database
ANSWER = "The ferry leaves the glacier at noon."
FILLER = "The harbour was quiet that morning, and nobody came down to the stones. "
LONG = FILLER * 45 + ANSWER
"""3 kB: eight times a passage, of which three are read."""
SHORT = "A harbour. The glacier is far."
QUESTION = "when does the ferry leave the glacier"


@pytest.fixture(scope="module")
def index():
    direct = client(DIRECT)
    name = f"long-{uuid.uuid4().hex[:8]}"
    direct.raw.indices.create(index=name, settings={"number_of_shards": 1, "number_of_replicas": 0})
    for key, text in {"long": LONG, "short": SHORT}.items():
        direct.raw.index(index=name, id=key, document={"body": text, "number": 1})
    direct.raw.indices.refresh(index=name)
    provider(COHERE, "ok")
    yield name
    direct.raw.indices.delete(index=name)


@pytest.fixture(scope="module")
def proxied():
    return client(PROXY)


def sent() -> list[str]:
    """The texts of the last call."""
    return provider_state(COHERE)["last"]["documents"]


def retriever(question, **more):
    inner = {"standard": {"query": {"match": {"body": "harbour"}}}}
    asked = {"field": "body", "inference_id": "e2e-rerank", "inference_text": question, "rank_window_size": 10}
    return {"text_similarity_reranker": {"retriever": inner, **asked, **more}}


def test_a_chunk_rescorer_has_the_passage_read_that_has_the_words_of_the_question(proxied, index):
    question = f"{QUESTION} {uuid.uuid4().hex}"
    chunks = {"size": 1, "chunking_settings": {"strategy": "sentence", "max_chunk_size": 60, "sentence_overlap": 1}}
    response, headers = proxied.search(index, {"retriever": retriever(question, chunk_rescorer=chunks), "size": 2})
    check_applied(headers)
    assert ids(response) == ["long", "short"]
    [passage, whole] = sorted(sent(), key=len, reverse=True)
    assert whole == SHORT
    assert ANSWER in passage and len(passage) < 500
    assert all(1 <= hit["_score"] <= 2 for hit in response["hits"]["hits"]), "as Elasticsearch writes them"


def test_a_highlighted_passage_is_read_before_those_at_the_beginning(proxied, index):
    query = {"bool": {"must": [{"match": {"body": "harbour"}}], "should": [{"match": {"body": "ferry"}}]}}
    body = {"query": query, "size": 2, "_source": ["body"]}
    first = f"{QUESTION} {uuid.uuid4().hex}"
    response, headers = proxied.search(index, body, asking(first))
    check_applied(headers)
    assert ids(response) == ["short", "long"], "what stands at the end is not read"
    assert not any(ANSWER in text for text in sent())

    highlight = {"fields": {"body": {"highlight_query": {"match": {"body": "ferry"}}}}}
    second = f"{QUESTION} {uuid.uuid4().hex}"
    response, headers = proxied.search(index, {**body, "highlight": highlight}, asking(second))
    check_applied(headers)
    assert ids(response) == ["long", "short"]
    assert any(ANSWER in text and len(text) < len(LONG) / 2 for text in sent())
    assert "<em>ferry</em>" in response["hits"]["hits"][0]["highlight"]["body"][0]
