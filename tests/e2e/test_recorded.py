"""qdrant-client's recorded calls again, through rerankd, answered with what a real Qdrant 1.18.3 said (`qdrant_recorded.py`)."""

import asyncio
import json
import os

import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, context_headers, models
from qdrant_client.http.exceptions import UnexpectedResponse

import cohere_standin
from qdrant_recorded import recorded
from support import check_applied, check_kept, http

RECORDED = os.environ.get("E2E_RECORDED", "")
PROXY = os.environ.get("E2E_RECORDED_PROXY", "")
pytestmark = pytest.mark.skipif(not (RECORDED and PROXY), reason="E2E_RECORDED and E2E_RECORDED_PROXY are set by `run`")
QUERY = "how do I reset my password"
VECTOR, OTHER = (json.loads(recorded("246-py-query-batch")["request"]["body"])["searches"][at]["query"]["nearest"] for at in (0, 1))

TOPIC = models.Filter(must=[models.FieldCondition(key="topic", match=models.MatchValue(value="account"))])
ALL_OPTIONS = {
    "query": VECTOR,
    "query_filter": TOPIC,
    "search_params": models.SearchParams(hnsw_ef=64),
    "score_threshold": 0.1,
    "limit": 3,
    "offset": 1,
    "with_payload": ["title"],
    "with_vectors": True,
    "consistency": models.ReadConsistencyType.MAJORITY,
    "timeout": 7,
}
PREFETCH = [models.Prefetch(query=VECTOR, limit=20), models.Prefetch(query=OTHER, limit=20)]
BATCH = [
    models.QueryRequest(query=models.NearestQuery(nearest=VECTOR), limit=2, with_payload=True),
    models.QueryRequest(query=models.NearestQuery(nearest=OTHER), limit=1),
]
SEARCH = models.SearchRequest(vector=VECTOR, limit=3, with_payload=True)
DOCUMENT = models.Document(text=QUERY, model="sentence-transformers/all-MiniLM-L6-v2")

CALLS = {
    "241-py-query": lambda one: one.query_points("kb", query=VECTOR, limit=3),
    "242-py-query-all-options": lambda one: one.query_points("kb", **ALL_OPTIONS),
    "243-py-query-rrf": lambda one: one.query_points(
        "kb", prefetch=PREFETCH, query=models.FusionQuery(fusion=models.Fusion.RRF), limit=5
    ),
    "244-py-query-by-id": lambda one: one.query_points("kb", query=11, limit=2),
    "246-py-query-batch": lambda one: one.query_batch_points("kb", BATCH),
    "247-py-query-groups": lambda one: one.query_points_groups(
        "kb", group_by="topic", query=VECTOR, limit=2, group_size=2
    ),
    "248-py-search-http": lambda one: one.http.search_api.search_points(collection_name="kb", search_request=SEARCH).result,
    "249-py-scroll": lambda one: one.scroll("kb", limit=2),
    "252-py-query-api-key": lambda one: one.query_points("kb", query=VECTOR, limit=1),
    "256-py-query-context-header-unicode": lambda one: one.query_points("kb", query=VECTOR, limit=2),
}
ERRORS = {
    "250-py-error-404": lambda one: one.query_points("nope", query=VECTOR, limit=2),
    "251-py-error-400": lambda one: one.query_points("kb", query=[0.1, 0.2], limit=2),
    "257-py-query-document-cloud": lambda one: one.query_points("kb", query=DOCUMENT, limit=2),
}


class Noting(QdrantClient):
    def __init__(self, url, **named):
        super().__init__(url=url, event_hooks={"response": [self.note]}, check_compatibility=False, **named)

    def note(self, response):
        self.noted = dict(response.headers)


def client(url, name):
    """As it was when this call was recorded."""
    if "api-key" in name:
        return Noting(url, api_key="test-key", headers={"X-Tenant": "t1"})
    return Noting(url, cloud_inference="cloud" in name)


def make(url, name, call, **headers):
    """What the call gives, and the headers of its response."""
    one = client(url, name)
    with context_headers.headers({"x-recorded": name, **headers}):
        return call(one), one.noted


def lists_of(result):
    """Every list of hits of a result."""
    if hasattr(result, "groups"):
        return [group.hits for group in result.groups]
    responses = result if isinstance(result, list) else [result]
    if hasattr(responses[0], "points"):
        return [one.points for one in responses]
    return [responses]


def order(points):
    """As reranked: by the stand-in's score of the text that rerankd reads, hits without one last."""

    def place(point):
        payload = point.payload or {}
        text = payload.get("text")
        return -cohere_standin.score(QUERY, f"{payload.get('title')}\n{text}") if isinstance(text, str) and text.strip() else 1

    return sorted(points, key=place)


@pytest.fixture(autouse=True)
def nothing_else_arrived():
    yield
    assert json.loads(http("GET", RECORDED + "/violations").body) == []


@pytest.mark.parametrize("name", CALLS)
def test_without_a_query_text_the_result_is_the_recorded_one(name):
    wanted, _ = make(RECORDED, name, CALLS[name])
    result, noted = make(PROXY, name, CALLS[name])
    assert result == wanted
    if "scroll" in name:
        assert "x-rerank-status" not in noted
    else:
        check_kept(noted, "no_query")


@pytest.mark.parametrize("name", CALLS)
def test_with_a_query_text_the_same_hits_come_in_a_better_order(name):
    wanted, _ = make(RECORDED, name, CALLS[name])
    result, noted = make(PROXY, name, CALLS[name], **{"x-rerank-query": QUERY})
    if "scroll" in name:
        assert result == wanted and "x-rerank-status" not in noted
        return
    status = noted["x-rerank-status"]
    for hits, own in zip(lists_of(result), lists_of(wanted), strict=True):
        if len(own) < 2 or status.startswith("kept"):
            assert hits == own
        else:
            assert hits == order(own)
    if "all-options" in name or "api-key" in name:  # one hit each
        check_kept(noted, "not_ranked")
    elif "batch" in name:
        assert status.startswith("partial"), status
    else:
        check_applied(noted)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_the_recorded_ones(name):
    problems = []
    for url, headers in [(RECORDED, {}), (PROXY, {}), (PROXY, {"x-rerank-query": QUERY})]:
        with pytest.raises(UnexpectedResponse) as raised:
            make(url, name, ERRORS[name], **headers)
        problems.append((raised.value.status_code, raised.value.reason_phrase, raised.value.content))
    assert problems[0] == problems[1] == problems[2]


def test_the_asynchronous_client():
    async def ask(url, **headers):
        one = AsyncQdrantClient(url=url, check_compatibility=False)
        with context_headers.headers({"x-recorded": "254-py-query-async", **headers}):
            return await one.query_points("kb", query=VECTOR, limit=1)

    wanted = asyncio.run(ask(RECORDED))
    assert asyncio.run(ask(PROXY)) == asyncio.run(ask(PROXY, **{"x-rerank-query": QUERY})) == wanted


def test_a_path_prefix_is_the_databases_to_reject():
    problems = []
    for url in (RECORDED, PROXY):
        one = Noting(url, prefix="some/prefix")
        with context_headers.headers({"x-recorded": "258-py-query-prefix"}), pytest.raises(UnexpectedResponse) as raised:
            one.query_points("kb", query=VECTOR, limit=1)
        problems.append((raised.value.status_code, raised.value.content))
    assert problems[0] == problems[1] == (404, b"")
