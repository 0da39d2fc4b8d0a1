"""qdrant-client through rerankd, in front of `qdrant_standin.py` (no registry has the Qdrant server)."""

import json
import uuid
from urllib.parse import quote

import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, context_headers, models
from qdrant_client.http.exceptions import UnexpectedResponse

import corpus
from recipes import qdrant_app
from support import (
    COHERE,
    COHERE_FAILING,
    DIRECT,
    FAILING,
    FAILURES,
    PROXY,
    WINDOW,
    check_applied,
    check_kept,
    http,
    needs_database,
    provider,
    provider_state,
    reranked,
)

pytestmark = needs_database
QUERY = corpus.QUERIES[0]
VECTOR = corpus.query_vector()


class Noting(QdrantClient):
    """Keeps the headers of the last response, which this client does not show."""

    def __init__(self, url):
        super().__init__(url=url, event_hooks={"response": [self.note]}, check_compatibility=False)

    def note(self, response):
        self.noted = dict(response.headers)


@pytest.fixture(scope="session")
def direct():
    return Noting(DIRECT)


@pytest.fixture(scope="session")
def proxied():
    return Noting(PROXY)


@pytest.fixture(scope="session")
def kb(proxied):
    """The corpus, written through rerankd."""
    name = "kb-" + uuid.uuid4().hex[:8]
    proxied.create_collection(name, vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    points = [
        models.PointStruct(id=int(key), vector=corpus.vector(int(key)), payload=document)
        for key, document in corpus.documents().items()
    ]
    proxied.upsert(name, points)
    yield name
    proxied.delete_collection(name)


@pytest.fixture(autouse=True)
def everyone_behaves():
    provider(COHERE, "ok")
    yield
    assert provider_state(COHERE)["violations"] == []
    assert http("GET", DIRECT + "/seen").json() == [], "something of rerankd's own reached the database"


def asking(text):
    return context_headers.headers({"x-rerank-query": quote(text)})


def wanted(direct, name, text, offset, limit):
    """The points of a page as they must come back, from the database's own response."""
    points = direct.query_points(name, query=VECTOR, limit=corpus.COUNT).points
    order = reranked([point.id for point in points], text)
    own = {point.id: point for point in points}
    return [own[one] for one in order[offset : offset + limit]]


def test_what_is_written_through_rerankd_arrives(direct, proxied, kb):
    assert direct.count(kb).count == proxied.count(kb).count == corpus.COUNT
    assert proxied.collection_exists(kb)
    records, following = proxied.scroll(kb, limit=corpus.COUNT, with_vectors=True)
    assert (records, following) == direct.scroll(kb, limit=corpus.COUNT, with_vectors=True)
    assert {str(one.id): one.payload for one in records} == corpus.documents()
    assert proxied.retrieve(kb, [3, 5]) == direct.retrieve(kb, [3, 5])


def test_recipe(direct, proxied, kb):
    points = qdrant_app.search(proxied, kb, QUERY, VECTOR, 6)
    check_applied(proxied.noted)
    assert points == wanted(direct, kb, QUERY, 0, 6)
    assert points != direct.query_points(kb, query=VECTOR, limit=6).points


def test_text_that_is_not_ascii(direct, proxied, kb):
    points = qdrant_app.search(proxied, kb, corpus.QUERIES[1], VECTOR, 12)
    check_applied(proxied.noted)
    assert points == wanted(direct, kb, corpus.QUERIES[1], 0, 12)
    assert provider_state(COHERE)["last"] is None or provider_state(COHERE)["last"]["query"] == corpus.QUERIES[1]


def test_asyncio_client(direct, kb):
    import asyncio

    async def ask():
        client = AsyncQdrantClient(url=PROXY, check_compatibility=False)
        async with context_headers.async_headers({"x-rerank-query": quote(QUERY)}):
            return (await client.query_points(kb, query=VECTOR, limit=6)).points

    assert asyncio.run(ask()) == wanted(direct, kb, QUERY, 0, 6)


@pytest.mark.parametrize("step", [9, 20])
def test_a_walk_over_pages_visits_each_hit_once(direct, proxied, kb, step):
    walked = []
    with asking(QUERY):
        for offset in range(0, corpus.COUNT, step):
            walked += proxied.query_points(kb, query=VECTOR, limit=step, offset=offset).points
            if offset >= WINDOW:
                check_kept(proxied.noted, "past_window")
            else:
                check_applied(proxied.noted)
    assert walked == wanted(direct, kb, QUERY, 0, corpus.COUNT)


@pytest.mark.parametrize(
    "selector",
    [False, True, ["title"], models.PayloadSelectorInclude(include=["topic", "big"])],
    ids=["none", "all", "one field", "include"],
)
def test_payload_selection(direct, proxied, kb, selector):
    """What the client did not ask for is fetched for the reranker and taken out again."""
    with asking(QUERY):
        points = proxied.query_points(kb, query=VECTOR, limit=7, with_payload=selector).points
    check_applied(proxied.noted)
    own = {p.id: p for p in direct.query_points(kb, query=VECTOR, limit=corpus.COUNT, with_payload=selector).points}
    assert points == [own[point.id] for point in wanted(direct, kb, QUERY, 0, 7)]


def test_an_excluded_text_does_not_leave(direct, proxied, kb):
    selector = models.PayloadSelectorExclude(exclude=["body"])
    with asking("an excluded text"):
        points = proxied.query_points(kb, query=VECTOR, limit=7, with_payload=selector).points
    check_kept(proxied.noted, "no_text")
    assert points == direct.query_points(kb, query=VECTOR, limit=7, with_payload=selector).points
    assert provider_state(COHERE)["calls"] == 0


def test_filter_vectors_and_threshold(direct, proxied, kb):
    named = {
        "query": VECTOR,
        "query_filter": models.Filter(must=[models.FieldCondition(key="year", range=models.Range(gte=1993))]),
        "with_vectors": True,
        "score_threshold": 0.5,
    }
    with asking(QUERY):
        points = proxied.query_points(kb, limit=5, **named).points
    check_applied(proxied.noted)
    own = {point.id: point for point in direct.query_points(kb, limit=corpus.COUNT, **named).points}
    assert points == [own[one] for one in reranked(list(own), QUERY)[:5]]


def test_batch(direct, proxied, kb):
    searches = [
        models.QueryRequest(query=VECTOR, limit=4, with_payload=True),
        models.QueryRequest(query=VECTOR, limit=3, offset=2, with_payload=True),
    ]
    with asking(QUERY):
        responses = proxied.query_batch_points(kb, searches)
    assert responses[0].points == wanted(direct, kb, QUERY, 0, 4)
    assert responses[1].points == wanted(direct, kb, QUERY, 2, 3)


def test_groups(direct, proxied, kb):
    """Groups keep their order and their members; inside each the hits are reranked."""
    named = {"group_by": "topic", "query": VECTOR, "limit": 4, "group_size": 5}
    with asking(QUERY):
        response = proxied.query_points_groups(kb, **named).groups
    check_applied(proxied.noted)
    own = direct.query_points_groups(kb, **named).groups
    assert [group.id for group in response] == [group.id for group in own]
    for found, group in zip(response, own):
        hits = {hit.id: hit for hit in group.hits}
        assert found.hits == [hits[one] for one in reranked(list(hits), QUERY)]


def test_text_in_the_body(direct, kb):
    body = {"query": VECTOR, "limit": 6, "with_payload": True, "rerank": {"query": QUERY}}
    response = http("POST", f"{PROXY}/collections/{kb}/points/query", body)
    check_applied(response.headers)
    found = [point["id"] for point in response.json()["result"]["points"]]
    assert found == [str(point.id) for point in wanted(direct, kb, QUERY, 0, 6)]


def test_stale_vector(direct, proxied, kb):
    headers = {"x-rerank-query": quote(QUERY), "x-rerank-vector": "0.5,0.5,0.5"}
    with context_headers.headers(headers):
        points = proxied.query_points(kb, query=VECTOR, limit=6).points
    check_kept(proxied.noted, "stale_query")
    assert points == direct.query_points(kb, query=VECTOR, limit=6).points
    headers["x-rerank-vector"] = ",".join(map(str, VECTOR[:3]))
    with context_headers.headers(headers):
        points = proxied.query_points(kb, query=VECTOR, limit=6).points
    check_applied(proxied.noted)
    assert points == wanted(direct, kb, QUERY, 0, 6)


def test_without_any_text(direct, proxied, kb):
    points = proxied.query_points(kb, query=VECTOR, limit=6).points
    check_kept(proxied.noted, "no_query")
    assert points == direct.query_points(kb, query=VECTOR, limit=6).points


def test_errors_are_the_databases_own(direct, proxied):
    problems = []
    for one, text in [(direct, {}), (proxied, {"x-rerank-query": quote(QUERY)})]:
        with context_headers.headers(text), pytest.raises(UnexpectedResponse) as raised:
            one.query_points("missing", query=VECTOR)
        problems.append((raised.value.status_code, json.loads(raised.value.content)["status"]))
    assert problems[0] == problems[1]


@pytest.mark.parametrize("mode", FAILURES)
def test_provider_fails(direct, kb, mode):
    provider(COHERE_FAILING, mode)
    client = Noting(FAILING)
    with asking(f"{QUERY} when the provider says {mode}"):
        points = client.query_points(kb, query=VECTOR, limit=9, offset=3).points
    check_kept(client.noted)
    assert points == direct.query_points(kb, query=VECTOR, limit=9, offset=3).points
    provider(COHERE_FAILING, "ok")
