"""qdrant-client against the two servers that `rerankd demo` leaves running: its own database, and rerankd before it."""

import os
import re
from urllib.parse import quote

import pytest
from qdrant_client import QdrantClient, context_headers

from support import check_applied, check_kept

DATABASE = os.environ.get("E2E_DEMO_DATABASE", "")
PROXY = os.environ.get("E2E_DEMO_PROXY", "")
pytestmark = pytest.mark.skipif(not (DATABASE and PROXY), reason="E2E_DEMO_DATABASE and E2E_DEMO_PROXY are set by `run`")
WINDOW = 50


class Noting(QdrantClient):
    def __init__(self, url):
        super().__init__(url=url, event_hooks={"response": [self.note]}, check_compatibility=False)

    def note(self, response):
        self.noted = dict(response.headers)


@pytest.fixture(scope="module")
def direct():
    return Noting(DATABASE)


@pytest.fixture(scope="module")
def proxied():
    return Noting(PROXY)


@pytest.fixture(scope="module")
def sample(direct):
    """The demo's collection, and one of its points as a query: its vector, and words of its text."""
    name = direct.get_collections().collections[0].name
    record = direct.scroll(name, limit=1, with_vectors=True)[0][0]
    text = " ".join(re.findall(r"\w{4,}", " ".join(v for v in record.payload.values() if isinstance(v, str)))[-6:])
    return name, record.vector, text


def test_hits_are_the_databases_own(direct, proxied, sample):
    name, vector, text = sample
    with context_headers.headers({"x-rerank-query": quote(text)}):
        points = proxied.query_points(name, query=vector, limit=8).points
    check_applied(proxied.noted)
    own = {point.id: point for point in direct.query_points(name, query=vector, limit=WINDOW).points}
    assert len(points) == 8
    assert points == [own[point.id] for point in points]


def test_a_walk_over_pages_visits_each_hit_once(direct, proxied, sample):
    name, vector, text = sample
    count = direct.count(name).count
    walked = []
    with context_headers.headers({"x-rerank-query": quote(text)}):
        for offset in range(0, count, 11):
            walked += proxied.query_points(name, query=vector, limit=11, offset=offset).points
    own = {point.id: point for point in direct.query_points(name, query=vector, limit=count).points}
    assert sorted(own, key=str) == sorted((point.id for point in walked), key=str)
    assert walked == [own[point.id] for point in walked]


def test_without_any_text(direct, proxied, sample):
    name, vector, _ = sample
    points = proxied.query_points(name, query=vector, limit=8).points
    check_kept(proxied.noted, "no_query")
    assert points == direct.query_points(name, query=vector, limit=8).points
