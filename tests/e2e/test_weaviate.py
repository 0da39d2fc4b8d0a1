"""Weaviate through its official client: searches over gRPC, all else over REST, direct and through rerankd's two ports. And
its own module reranker-cohere, which calls rerankd's rerank endpoint."""

import os
import uuid
from urllib.parse import quote

import pytest
import requests
import weaviate
from weaviate.classes.config import Configure, DataType, Property
from weaviate.classes.query import MetadataQuery, Rerank

import cohere_standin
import corpus
from support import COHERE, COHERE_FAILING, DIRECT, FAILING, PROXY, provider

QUERY = corpus.QUERIES[0]
ASKING = {"x-rerank-query": quote(QUERY)}
API = os.environ.get("E2E_API", "")
GRPC = {DIRECT: os.environ.get("E2E_DIRECT_GRPC"), PROXY: os.environ.get("E2E_PROXY_GRPC"), FAILING: os.environ.get("E2E_FAILING_GRPC")}
TEXTS = ("title", "body", "topic")
pytestmark = pytest.mark.skipif(os.environ.get("E2E_BACKEND") != "weaviate", reason="`run` starts it")


def connected(base, headers=None):
    return weaviate.connect_to_custom(
        http_host="127.0.0.1", http_port=int(base.rsplit(":", 1)[1]), http_secure=False,
        grpc_host="127.0.0.1", grpc_port=int(GRPC[base]), grpc_secure=False, headers=headers,
    )  # fmt: skip


def number(one):
    return str(one.uuid.int)


@pytest.fixture(scope="module", autouse=True)
def filled():
    provider(COHERE, "ok")
    with connected(PROXY) as client:
        properties = [Property(name=name, data_type=DataType.TEXT) for name in TEXTS]
        properties.append(Property(name="words", data_type=DataType.TEXT_ARRAY))
        reranker = Configure.Reranker.cohere(model="rerank-v3.5", base_url=API)
        docs = client.collections.create(
            "Docs", properties=properties, reranker_config=reranker, vector_config=Configure.Vectors.self_provided()
        )
        with docs.batch.dynamic() as batch:
            for name, one in corpus.documents().items():
                texts = {key: one[key] for key in TEXTS} | {"words": one["body"].split()}
                batch.add_object(texts, uuid=uuid.UUID(int=int(name)), vector=corpus.vector(int(name)))
        assert not docs.batch.failed_objects


def near(base, limit, headers=None, offset=0, **more):
    with connected(base, headers) as client:
        found = client.collections.use("Docs").query.near_vector(
            corpus.query_vector(), limit=limit, offset=offset, return_metadata=MetadataQuery(distance=True), **more
        )
    return found.objects


def numbers(objects):
    return [number(one) for one in objects]


def score(one):
    document = corpus.documents()[one]
    return cohere_standin.score(QUERY, f"{document['title']}\n{document['body']}")


def expected(own):
    return sorted(own, key=lambda one: -score(one))


def plain(objects):
    return [(number(one), one.properties, vars(one.metadata)) for one in objects]


def test_what_is_no_search_by_relevance_is_the_databases_own():
    def seen(base):
        with connected(base) as client:
            docs = client.collections.use("Docs")
            return plain(docs.query.fetch_objects(limit=7).objects), docs.aggregate.over_all(total_count=True).total_count

    assert seen(PROXY) == seen(DIRECT)
    meta = lambda base: requests.get(f"{base}/v1/meta", timeout=30).json()["version"]
    assert meta(PROXY) == meta(DIRECT)


def test_a_search_by_a_vector_is_reranked_and_whole_hits_move():
    own = near(DIRECT, 50)
    order = expected(numbers(own))
    assert order != numbers(own), "something moves"
    through = near(PROXY, 50, ASKING)
    assert numbers(through) == order
    by_number = {one[0]: one for one in plain(own)}
    assert plain(through) == [by_number[one] for one in order]
    assert numbers(near(PROXY, 5, ASKING)) == order[:5]


@pytest.mark.parametrize("properties", [["topic"], ["topic", "words"], []])
def test_only_the_properties_that_were_asked_for_come_back(properties):
    own, through = near(DIRECT, 5, return_properties=properties), near(PROXY, 5, ASKING, return_properties=properties)
    assert [sorted(one.properties) for one in through] == [sorted(one.properties) for one in own]
    assert numbers(through) == expected(numbers(near(DIRECT, 50)))[:5]


def test_a_walk_through_the_pages_visits_every_hit_once():
    walked = [one for offset in range(0, corpus.COUNT, 7) for one in numbers(near(PROXY, 7, ASKING, offset))]
    assert sorted(walked) == sorted(corpus.documents())
    assert walked[:50] == expected(numbers(near(DIRECT, 50)))


def test_words_are_the_question_of_their_own_search():
    def found(base, headers=None):
        with connected(base, headers) as client:
            return client.collections.use("Docs").query.bm25("harbour ferry", limit=6, return_metadata=MetadataQuery(score=True)).objects

    through = found(PROXY)
    assert len(through) == 6 and all(one.metadata.score for one in through)
    # The words are those of the search, and not those of the header.
    best = lambda one: cohere_standin.score("harbour ferry", f"{one.properties['title']}\n{one.properties['body']}")
    assert [best(one) for one in through] == sorted((best(one) for one in through), reverse=True)


def test_a_hybrid_search_gives_as_many_hits_and_the_best_of_more():
    def found(base, headers=None):
        with connected(base, headers) as client:
            hits = client.collections.use("Docs").query.hybrid("harbour", vector=corpus.query_vector(), alpha=0.5, limit=5)
            return numbers(hits.objects)

    own, through = found(DIRECT), found(PROXY, ASKING)
    assert len(own) == len(through) == 5
    assert sum(map(score, through)) >= sum(map(score, own))
    assert found(PROXY, ASKING | {"x-rerank": "off"}) == own


@pytest.mark.parametrize("mode", ["500", "429", "garbage", "hang"])
def test_a_provider_that_fails_leaves_the_databases_own_answer(mode):
    provider(COHERE_FAILING, mode)
    asking = {"x-rerank-query": quote(f"{QUERY} {mode}")}
    assert plain(near(FAILING, 5, asking, return_properties=["topic"])) == plain(near(DIRECT, 5, return_properties=["topic"]))


def test_an_error_of_the_database_is_its_own():
    said = []
    for base in (DIRECT, PROXY):
        with connected(base, ASKING) as client, pytest.raises(weaviate.exceptions.WeaviateQueryError) as error:
            client.collections.use("Nowhere").query.near_vector(corpus.query_vector(), limit=5)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_weaviates_own_module_reranks_through_the_rerank_endpoint():
    with connected(DIRECT) as client:
        found = client.collections.use("Docs").query.near_vector(
            corpus.query_vector(), limit=20, rerank=Rerank(prop="body", query=QUERY), return_metadata=MetadataQuery.full()
        )
    scores = [one.metadata.rerank_score for one in found.objects]
    of = lambda one: cohere_standin.score(QUERY, one.properties["body"])
    assert scores == pytest.approx([of(one) for one in found.objects])
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
