"""What Elasticsearch does that OpenSearch does not: top-level kNN, retrievers, cursors with a tie-breaker of its own."""

import uuid

import pytest

import corpus
from clients import client
from support import COHERE, DIRECT, PROXY, check_applied, check_kept, needs_database, provider, reranked
from test_random_searches import mappings
from test_search import FIRST, asking, ids

pytestmark = needs_database
QUERY = corpus.QUERIES[0]


@pytest.fixture(scope="module")
def direct():
    return client(DIRECT)


@pytest.fixture(scope="module")
def proxied():
    provider(COHERE, "ok")
    return client(PROXY)


@pytest.fixture(scope="module", params=[1, 3], ids=["1 shard", "3 shards"])
def index(direct, request):
    name = f"es-{uuid.uuid4().hex[:8]}"
    settings, properties = mappings()
    direct.raw.indices.create(index=name, settings={**settings, "number_of_shards": request.param}, mappings=properties)
    lines = []
    for number, (key, document) in enumerate(corpus.documents().items(), 1):
        lines += [{"index": {"_index": name, "_id": key}}, document | {"embedding": corpus.vector(number)}]
    assert not direct.raw.bulk(operations=lines, refresh=True)["errors"]
    yield name
    direct.raw.indices.delete(index=name)


def knn(k):
    return {"field": "embedding", "query_vector": corpus.query_vector(), "k": k, "num_candidates": 100}


def test_top_level_knn_gets_deeper_candidates(direct, proxied, index):
    body = {"knn": knn(5), "size": 5}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    own, _ = direct.search(index, body)
    nearest = [str(number) for number in range(1, corpus.COUNT + 1)]
    assert ids(response) == reranked(nearest, QUERY)[:5]
    assert response["hits"]["total"] == own["hits"]["total"]


def test_a_filter_after_the_nearest_were_found_is_not_widened(direct, proxied, index):
    body = {"knn": knn(5), "size": 5, "post_filter": {"term": {"topic": "coast"}}}
    response, _ = proxied.search(index, body, asking(QUERY))
    own, _ = direct.search(index, body)
    assert sorted(ids(response)) == sorted(ids(own))
    assert response["hits"]["total"] == own["hits"]["total"]


@pytest.mark.parametrize("sort", [["_score"], [{"_score": "desc"}], [{"_score": {"order": "desc"}}]], ids=str)
def test_a_walk_with_a_point_in_time_sees_every_hit_once(direct, proxied, index, sort):
    def walk(one, headers):
        pit = one.raw.open_point_in_time(index=index, keep_alive="1m")["id"]
        found, after = [], None
        while len(found) < 2 * corpus.COUNT:
            body = {"query": FIRST, "size": 9, "pit": {"id": pit, "keep_alive": "1m"}, "sort": sort}
            if after:
                body["search_after"] = after
            page = one.raw.options(headers=headers).search(**body)
            if not ids(page):
                break
            found += ids(page)
            after = page["hits"]["hits"][-1]["sort"]
        one.raw.close_point_in_time(id=pit)
        return found

    assert walk(proxied, asking(QUERY)) == walk(direct, {})


def test_the_retrievers_that_this_node_has(direct, proxied, index):
    for retriever in [{"standard": {"query": FIRST}}, {"knn": knn(10)}]:
        body = {"retriever": retriever, "size": 8}
        response, headers = proxied.search(index, body, asking(QUERY))
        check_applied(headers)
        own, _ = direct.search(index, body)
        assert len(ids(response)) == len(ids(own))
        assert response["hits"]["total"] == own["hits"]["total"]


@pytest.mark.parametrize("accept", ["application/yaml", "application/cbor", "application/smile"])
def test_a_response_that_is_not_json_is_passed_on(index, accept):
    from support import http

    through = http("POST", f"{PROXY}/{index}/_search", {"query": FIRST}, {**asking(QUERY), "accept": accept})
    check_kept(through.headers, "unsupported")
    assert through.status == 200 and through.headers["content-type"].startswith(accept)
