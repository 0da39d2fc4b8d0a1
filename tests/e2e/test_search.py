"""opensearch-py and elasticsearch-py through rerankd, compared with the same calls to the database itself."""

import json
import uuid
from urllib.parse import quote

import pytest

import corpus
from clients import BACKEND, client
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
needs_mustache = pytest.mark.skipif(BACKEND == "elasticsearch", reason="Elasticsearch's lang-mustache is not published")

QUERY = corpus.QUERIES[0]
FIRST = {"match": {"body": corpus.FIRST_STAGE}}
MAPPINGS = {
    "properties": {
        "title": {"type": "text"},
        "body": {"type": "text"},
        "topic": {"type": "keyword"},
        "year": {"type": "integer"},
        "big": {"type": "long"},
        "price": {"type": "double"},
        "weight": {"type": "double"},
    }
}


def asking(text):
    return {"x-rerank-query": quote(text)}


@pytest.fixture(scope="session")
def direct():
    return client(DIRECT)


@pytest.fixture(scope="session")
def proxied():
    return client(PROXY)


@pytest.fixture(scope="session")
def failing():
    return client(FAILING)


@pytest.fixture(scope="session")
def index(proxied):
    """The corpus, written through rerankd."""
    name = "notes-" + uuid.uuid4().hex[:8]
    proxied.raw.indices.create(
        index=name,
        body={"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": MAPPINGS},
    )
    lines = []
    for key, document in corpus.documents().items():
        lines += [{"index": {"_index": name, "_id": key}}, document]
    written = proxied.raw.bulk(body=lines, refresh=True)
    assert not written["errors"]
    yield name
    proxied.raw.indices.delete(index=name)


@pytest.fixture(autouse=True)
def provider_behaves():
    provider(COHERE, "ok")
    yield
    assert provider_state(COHERE)["violations"] == []


def ids(response):
    return [hit["_id"] for hit in response["hits"]["hits"]]


def envelope(response):
    """All of a response that reranking leaves alone. `took` is a time."""
    rest = {name: value for name, value in response.items() if name != "took"}
    rest["hits"] = {name: value for name, value in response["hits"].items() if name != "hits"}
    return rest


def compare(direct, index, body, response, query):
    """`response` is what rerankd gave for `body`: the database's hits, unchanged, in the reranker's order."""
    wide, _ = direct.search(index, {**body, "from": 0, "size": corpus.COUNT})
    narrow, _ = direct.search(index, body)
    offset, limit = body.get("from", 0), body.get("size", 10)
    order = reranked(ids(wide), query)[offset : offset + limit]
    assert ids(response) == order
    own = {hit["_id"]: hit for hit in wide["hits"]["hits"]}
    for hit in response["hits"]["hits"]:
        assert hit == own[hit["_id"]]
    assert envelope(response) == envelope(narrow)
    return narrow


def test_what_is_written_through_rerankd_arrives(direct, proxied, index):
    for key, document in corpus.documents().items():
        assert direct.raw.get(index=index, id=key)["_source"] == document
    assert direct.raw.count(index=index)["count"] == corpus.COUNT
    assert proxied.raw.count(index=index)["count"] == corpus.COUNT
    assert proxied.raw.exists(index=index, id="1")
    assert not proxied.raw.exists(index=index, id="nope")
    proxied.raw.index(index=index, id="extra", body={"title": "x", "body": "y"}, refresh=True)
    proxied.raw.update(index=index, id="extra", body={"doc": {"body": "z"}}, refresh=True)
    assert direct.raw.get(index=index, id="extra")["_source"] == {"title": "x", "body": "z"}
    proxied.raw.delete(index=index, id="extra", refresh=True)
    assert direct.raw.count(index=index)["count"] == corpus.COUNT


def test_text_in_a_header(direct, proxied, index):
    body = {"query": FIRST}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    narrow = compare(direct, index, body, response, QUERY)
    assert ids(response) != ids(narrow), "the first stage is already in this order: the test shows nothing"


def test_text_in_a_header_that_is_not_ascii(direct, proxied, index):
    body = {"query": FIRST, "size": 20}
    response, headers = proxied.search(index, body, asking(corpus.QUERIES[1]))
    check_applied(headers)
    compare(direct, index, body, response, corpus.QUERIES[1])


def test_text_in_ext(direct, proxied, index):
    body = {"query": FIRST, "size": 12}
    response, headers = proxied.search(index, {**body, "ext": {"rerank": {"query": QUERY}}})
    check_applied(headers)
    compare(direct, index, body, response, QUERY)


def test_text_of_the_query_itself(direct, proxied, index):
    text = f"{corpus.FIRST_STAGE} {corpus.QUERIES[2]}"
    body = {"query": {"multi_match": {"query": text, "fields": ["title", "body"]}}, "size": 15}
    response, headers = proxied.search(index, body)
    check_applied(headers)
    compare(direct, index, body, response, text)


def test_recipes(direct, proxied, index):
    try:
        from recipes import opensearch_app as recipe

        import opensearchpy  # noqa: F401
    except ImportError:
        from recipes import elasticsearch_app as recipe
    for search in [recipe.search_with_header, recipe.search_with_ext]:
        response = search(proxied.raw, index, QUERY, FIRST)
        compare(direct, index, {"query": FIRST, "size": 5}, dict(response), QUERY)


@pytest.mark.parametrize("step", [7, 10, 24])
def test_a_walk_over_pages_visits_each_hit_once(direct, proxied, index, step):
    wide, _ = direct.search(index, {"query": FIRST, "size": corpus.COUNT})
    walked = []
    for offset in range(0, corpus.COUNT, step):
        body = {"query": FIRST, "from": offset, "size": step}
        response, headers = proxied.search(index, body, asking(QUERY))
        if offset >= WINDOW:
            check_kept(headers, "past_window")
        else:
            check_applied(headers)
        walked += ids(response)
    assert sorted(walked) == sorted(ids(wide))
    assert walked == reranked(ids(wide), QUERY)


def test_highlight(direct, proxied, index):
    body = {"query": FIRST, "highlight": {"fields": {"body": {}}}}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    compare(direct, index, body, response, QUERY)
    assert all("<em>harbour</em>" in hit["highlight"]["body"][0] for hit in response["hits"]["hits"])


def test_collapse(direct, proxied, index):
    body = {"query": FIRST, "collapse": {"field": "topic"}}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    compare(direct, index, body, response, QUERY)
    assert len(response["hits"]["hits"]) == len(corpus.TOPICS)


def test_aggregations_and_totals(direct, proxied, index):
    body = {
        "query": FIRST,
        "size": 6,
        "track_total_hits": True,
        "aggs": {
            "topics": {"terms": {"field": "topic"}, "aggs": {"price": {"avg": {"field": "price"}}}},
            "newest": {"max": {"field": "year"}},
        },
    }
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    compare(direct, index, body, response, QUERY)
    assert len(response["aggregations"]["topics"]["buckets"]) == len(corpus.TOPICS)


@pytest.mark.parametrize(
    "source",
    [True, False, ["title"], "year", {"includes": ["title", "body"]}, {"includes": ["t*"]}],
    ids=json.dumps,
)
def test_source_filtering(direct, proxied, index, source):
    body = {"query": FIRST, "_source": source}
    response, headers = proxied.search(index, body, asking(QUERY))
    check_applied(headers)
    compare(direct, index, body, response, QUERY)


def test_an_excluded_text_does_not_leave(direct, proxied, index):
    body = {"query": FIRST, "_source": {"excludes": ["body"]}}
    response, headers = proxied.search(index, body, asking("an excluded text"))
    check_kept(headers, "no_text")
    own, _ = direct.search(index, body)
    assert response["hits"] == own["hits"]
    assert provider_state(COHERE)["calls"] == 0


def test_msearch(direct, proxied, index):
    bodies = [
        {"query": FIRST, "size": 5, "ext": {"rerank": {"query": QUERY}}},
        {"query": FIRST, "size": 0, "aggs": {"topics": {"terms": {"field": "topic"}}}},
        {"query": FIRST, "size": 8, "ext": {"rerank": {"query": corpus.QUERIES[2]}}},
        {"query": FIRST, "sort": [{"year": "desc"}, {"price": "asc"}], "size": 4},
        {"query": {"match": {"body": QUERY}}, "size": 7},
    ]
    texts = [QUERY, None, corpus.QUERIES[2], None, QUERY]
    plain = [{name: value for name, value in body.items() if name != "ext"} for body in bodies]
    found, headers = proxied.msearch(index, [line for body in bodies for line in ({}, body)])
    own, _ = direct.msearch(index, [line for body in plain for line in ({}, body)])
    assert any(name.lower() == "x-rerank-status" for name in headers), headers
    assert len(found["responses"]) == len(bodies)
    for body, text, response, direct_answer in zip(plain, texts, found["responses"], own["responses"]):
        assert response["status"] == 200
        if text is None:
            assert {**response, "took": 0} == {**direct_answer, "took": 0}
        else:
            assert envelope(response) == envelope(direct_answer)
            compare(direct, index, body, {key: value for key, value in response.items() if key != "status"}, text)


def test_one_failed_search_of_an_msearch(direct, proxied, index):
    good = {"query": FIRST, "size": 5, "ext": {"rerank": {"query": QUERY}}}
    found, _ = proxied.msearch(index, [{}, good, {"index": "missing-" + index}, {"query": FIRST}])
    own, _ = direct.msearch(index, [{}, {"query": FIRST, "size": 5}, {"index": "missing-" + index}, {"query": FIRST}])
    assert found["responses"][1] == own["responses"][1]
    assert found["responses"][1]["status"] == 404
    wide, _ = direct.search(index, {"query": FIRST, "size": corpus.COUNT})
    assert ids(found["responses"][0]) == reranked(ids(wide), QUERY)[:5]


@pytest.mark.parametrize(
    "body, reason",
    [
        ({"query": FIRST, "sort": [{"year": "asc"}, {"price": "desc"}]}, "not_ranked"),
        ({"query": FIRST, "size": 0}, "not_ranked"),
        ({"query": {"term": {"topic": "coast"}}, "size": 1}, None),
    ],
    ids=["sorted", "size 0", "one hit"],
)
def test_left_alone(direct, proxied, index, body, reason):
    response, headers = proxied.search(index, body, asking(QUERY))
    own, _ = direct.search(index, body)
    if reason:
        check_kept(headers, reason)
        assert {**response, "took": 0} == {**own, "took": 0}
    else:
        assert envelope(response) == envelope(own)


def test_without_any_text(direct, proxied, index):
    body = {"query": {"match_all": {}}}
    response, headers = proxied.search(index, body)
    check_kept(headers, "no_query")
    assert {**response, "took": 0} == {**direct.search(index, body)[0], "took": 0}


def test_switched_off_for_one_search(direct, proxied, index):
    body = {"query": FIRST}
    response, headers = proxied.search(index, body, {**asking(QUERY), "x-rerank": "off"})
    check_kept(headers, "off")
    assert {**response, "took": 0} == {**direct.search(index, body)[0], "took": 0}


def test_scroll(direct, proxied, index):
    def walk(one):
        page = one.raw.search(index=index, body={"query": FIRST, "size": 30}, scroll="1m")
        found = ids(page)
        while ids(page):
            page = one.raw.scroll(scroll_id=page["_scroll_id"], scroll="1m")
            found += ids(page)
        one.raw.clear_scroll(scroll_id=page["_scroll_id"])
        return found

    assert walk(proxied) == walk(direct)


@needs_mustache
def test_search_template_with_text_from_outside(direct, proxied, index):
    body = {"source": {"query": {"match": {"body": "{{word}}"}}, "size": 5}, "params": {"word": corpus.FIRST_STAGE}}
    response = proxied.raw.search_template(index=index, body=body, headers=asking(QUERY))
    own = direct.raw.search_template(index=index, body=body)
    check_applied(proxied.noted)
    # The size is inside the template, out of the proxy's reach: the page is reranked as it is.
    assert ids(response) == reranked(ids(own), QUERY)


def test_bytes_of_each_hit(index):
    """Not one byte of a hit changes: compared without a client or a parser between."""
    body = {"query": FIRST, "size": 9, "fields": ["year"], "highlight": {"fields": {"body": {}}}}
    url = f"/{index}/_search?pretty=false"
    response = http("POST", PROXY + url, body, asking(QUERY))
    wide = http("POST", DIRECT + url, {**body, "size": corpus.COUNT})
    check_applied(response.headers)
    own = raw_hits(wide.body.decode())
    hits = raw_hits(response.body.decode())
    assert len(hits) == 9
    assert all(hit in own for hit in hits)
    assert response.headers["content-type"] == wide.headers["content-type"]


def raw_hits(text):
    decoder, hits = json.JSONDecoder(), []
    place = text.index('"hits":[') + len('"hits":[')
    while text[place] != "]":
        place += text[place] == ","
        _, end = decoder.raw_decode(text, place)
        hits.append(text[place:end])
        place = end
    return hits


def test_a_get_with_a_body_and_settings_in_the_url(direct, proxied, index):
    response = http("GET", f"{PROXY}/{index}/_search?size=4&from=2", {"query": FIRST}, asking(QUERY))
    check_applied(response.headers)
    wide, _ = direct.search(index, {"query": FIRST, "size": corpus.COUNT})
    assert ids(response.json()) == reranked(ids(wide), QUERY)[2:6]


@pytest.mark.parametrize(
    "name, body",
    [("missing-index", {"query": FIRST}), (None, {"query": {"no_such_query": {}}}), (None, {"query": FIRST, "size": -1})],
    ids=["missing index", "unknown query", "negative size"],
)
def test_errors_are_the_databases_own(direct, proxied, index, name, body):
    problems = []
    for one in [direct, proxied]:
        try:
            one.search(name or index, body, asking(QUERY) if one is proxied else None)
            problems.append(None)
        except one.errors() as error:
            problems.append(one.problem(error))
    assert problems[0] == problems[1]
    assert problems[0] is not None


@pytest.mark.parametrize("mode", FAILURES)
def test_provider_fails(direct, failing, index, mode):
    """Whatever the provider does, the response is the database's own."""
    provider(COHERE_FAILING, mode)
    body = {"query": FIRST, "size": 9, "from": 3, "highlight": {"fields": {"body": {}}}}
    response, headers = failing.search(index, body, asking(f"{QUERY} when the provider says {mode}"))
    check_kept(headers)
    own, _ = direct.search(index, body)
    assert {**response, "took": 0} == {**own, "took": 0}
    provider(COHERE_FAILING, "ok")


def test_the_clients_read_a_response_that_says_in_its_body_how_it_ended(proxied, index):
    told = {**asking(QUERY), "x-rerank-answer-block": "on"}
    found, _ = proxied.search(index, {"query": FIRST}, headers=told)
    assert found["rerank"]["status"] == "applied"
    assert found["rerank"]["cache_lookups"] > 0
    found, _ = proxied.search(index, {"query": FIRST, "sort": ["year"]}, headers=told)
    assert (found["rerank"]["status"], found["rerank"]["reason"]) == ("kept", "not_ranked")
