"""Vector searches of OpenSearch's k-NN plugin (lucene engine): `k` is widened to the window, and what the client sees is cut
back to its own `k`."""

import uuid

import pytest

import corpus
from clients import client
from support import COHERE, COHERE_FAILING, DIRECT, FAILING, PROXY, check_applied, check_kept, needs_database, provider, reranked
from test_random_searches import mappings
from test_search import asking, envelope, ids

pytestmark = needs_database
QUERY = corpus.QUERIES[0]


@pytest.fixture(scope="module")
def direct():
    return client(DIRECT)


@pytest.fixture(scope="module")
def proxied():
    return client(PROXY)


def filled(direct, shards):
    """An index with the corpus and its vectors."""
    name = f"knn-{uuid.uuid4().hex[:8]}"
    settings, properties = mappings()
    direct.raw.indices.create(index=name, body={"settings": {**settings, "number_of_shards": shards}, "mappings": properties})
    lines = []
    for number, (key, document) in enumerate(corpus.documents().items(), 1):
        lines += [{"index": {"_index": name, "_id": key}}, document | {"embedding": corpus.vector(number)}]
    assert not direct.raw.bulk(body=lines, refresh=True)["errors"]
    return name


@pytest.fixture(scope="module")
def index(direct):
    name = filled(direct, 1)
    yield name
    direct.raw.indices.delete(index=name)


@pytest.fixture
def spread(direct):
    """On three shards, of which each holds fewer documents than the window."""
    name = filled(direct, 3)
    yield name
    direct.raw.indices.delete(index=name)


@pytest.fixture(autouse=True)
def provider_behaves():
    provider(COHERE, "ok")
    provider(COHERE_FAILING, "ok")


def knn(k, **more):
    return {"knn": {"embedding": {"vector": corpus.query_vector(), "k": k, **more}}}


@pytest.mark.parametrize("k", [5, 10])
def test_a_vector_search_gets_deeper_candidates(direct, proxied, index, k):
    body = {"query": knn(k), "size": k, "_source": {"excludes": ["embedding"]}}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    nearest = [str(number) for number in range(1, corpus.COUNT + 1)]
    assert ids(response) == reranked(nearest, QUERY)[:k]
    own, _ = direct.search(index, body)
    assert set(ids(response)) != set(ids(own)), "the window holds nothing better: the test shows nothing"
    assert envelope(response)["hits"]["total"] == envelope(own)["hits"]["total"]
    assert len(response["hits"]["hits"]) == len(own["hits"]["hits"])


def test_a_total_that_more_candidates_hide_is_the_databases_own(direct, proxied, spread):
    body = {"query": knn(5), "size": 5}
    own, _ = direct.search(spread, body)
    for _ in range(2):
        response, headers = proxied.search(spread, body, asking(QUERY))
        check_applied(headers)
        assert envelope(response) == envelope(own)
        assert ids(response) == reranked(ids(own), QUERY)


def test_where_no_total_is_asked_for_shards_give_deeper_candidates_too(direct, proxied, spread):
    body = {"query": knn(5), "size": 5, "track_total_hits": False}
    response, headers = proxied.search(spread, body, asking(QUERY))
    check_applied(headers)
    nearest = [str(number) for number in range(1, corpus.COUNT + 1)]
    assert ids(response) == reranked(nearest, QUERY)[:5]


def test_a_filter_inside_the_clause_holds(direct, proxied, index):
    body = {"query": knn(4, filter={"term": {"topic": "coast"}}), "size": 4}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    assert {hit["_source"]["topic"] for hit in response["hits"]["hits"]} == {"coast"}
    assert len(ids(response)) == len(ids(direct.search(index, body)[0]))


def test_where_the_provider_fails_the_response_is_the_databases_own(direct, index):
    provider(COHERE_FAILING, "500")
    body = {"query": knn(5), "size": 5}
    response, headers = client(FAILING).search(index, body, asking(QUERY + " failing"))
    check_kept(headers)
    own, _ = direct.search(index, body)
    assert {**response, "took": 0} == {**own, "took": 0}


def test_a_search_by_distance_alone_is_left_as_it_is(direct, proxied, index):
    body = {"query": {"knn": {"embedding": {"vector": corpus.query_vector(), "min_score": 0.9}}}, "size": 7}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    wide, _ = direct.search(index, {**body, "size": corpus.COUNT})
    assert ids(response) == reranked(ids(wide), QUERY)[:7]
