"""Databases that are described rather than programmed: Chroma, Solr and Typesense through their official clients, each
direct and through rerankd. `E2E_BACKEND` says which one runs."""

import os
from urllib.parse import quote

import pytest
import requests

import cohere_standin
import corpus
from support import COHERE, COHERE_FAILING, DIRECT, FAILING, PROXY, provider, reranked

BACKEND = os.environ.get("E2E_BACKEND", "")
QUERY = corpus.QUERIES[0]
ASKING = {"x-rerank-query": quote(QUERY)}


def texts(one):
    return {name: one[name] for name in ("title", "body", "topic")}


class Chroma:
    pages = False

    def fill(self):
        collection = self.client(DIRECT).create_collection("docs")
        documents = corpus.documents()
        collection.add(
            ids=list(documents),
            documents=[f"{one['title']}\n{one['body']}" for one in documents.values()],
            metadatas=[{"topic": one["topic"]} for one in documents.values()],
            embeddings=[corpus.vector(int(number)) for number in documents],
        )
        self.id = collection.id

    def client(self, base, headers=None):
        import chromadb

        return chromadb.HttpClient(host="127.0.0.1", port=int(base.rsplit(":", 1)[1]), headers=headers)

    def search(self, base, limit, headers=None, offset=0):
        collection = self.client(base, headers).get_collection("docs", embedding_function=None)
        found = collection.query(query_embeddings=[corpus.query_vector()], n_results=limit, include=["distances"])
        assert found["documents"] is None, "only what was asked for"
        assert len(found["distances"][0]) == len(found["ids"][0])
        return found["ids"][0]

    def raw(self, base, headers=None):
        url = f"{base}/api/v2/tenants/default_tenant/databases/default_database/collections/{self.id}/query"
        body = {"query_embeddings": [corpus.query_vector(), corpus.vector(3)], "n_results": 4}
        return requests.post(url, json=body, headers=headers, timeout=30)

    def forwarded(self, base):
        return requests.get(f"{base}/api/v2/tenants/default_tenant/databases/default_database/collections", timeout=30)

    def text(self, one):
        return f"{one['title']}\n{one['body']}"


class Solr:
    pages = True
    own = "body:harbour"

    def fill(self):
        documents = [{"id": number, **texts(one)} for number, one in corpus.documents().items()]
        self.client(DIRECT).add(documents, commit=True)

    def client(self, base, headers=None):
        import pysolr

        session = requests.Session()
        session.headers.update(headers or {})
        return pysolr.Solr(f"{base}/solr/docs", timeout=30, session=session)

    def search(self, base, limit, headers=None, offset=0):
        found = self.client(base, headers).search(self.own, rows=limit, start=offset, fl="id,score")
        assert found.raw_response["response"]["start"] == offset
        for one in found.docs:
            assert sorted(one) == ["id", "score"], "only what was asked for"
        return [one["id"] for one in found.docs]

    def raw(self, base, headers=None):
        parameters = {"q": self.own, "rows": 4, "start": 2}
        return requests.get(f"{base}/solr/docs/select", params=parameters, headers=headers, timeout=30)

    def forwarded(self, base):
        return requests.get(f"{base}/solr/docs/select?q=*:*&sort=id+asc&rows=5&omitHeader=true", timeout=30)

    def text(self, one):
        return f"{one['title']}\n{one['body']}"


class Typesense:
    pages = True

    def fill(self):
        client = self.client(DIRECT)
        fields = [{"name": name, "type": "string"} for name in ("title", "body", "topic")]
        fields.append({"name": "v", "type": "float[]", "num_dim": len(corpus.vector(1))})
        client.collections.create({"name": "docs", "fields": fields})
        documents = [
            {"id": number, "v": corpus.vector(int(number)), **texts(one)} for number, one in corpus.documents().items()
        ]
        assert all(one["success"] for one in client.collections["docs"].documents.import_(documents))

    def client(self, base, headers=None):
        import typesense

        node = {"host": "127.0.0.1", "port": base.rsplit(":", 1)[1], "protocol": "http"}
        settings = {"api_key": "xyz", "nodes": [node], "connection_timeout_seconds": 30}
        return typesense.Client({**settings, "additional_headers": headers or {}})

    def vector(self):
        return f"v:([{','.join(map(str, corpus.query_vector()))}], k:100)"

    def search(self, base, limit, headers=None, offset=0):
        one = {"collection": "docs", "q": "*", "vector_query": self.vector(), "include_fields": "id"}
        one |= {"per_page": str(limit), "page": str(offset // limit + 1)}
        found = self.client(base, headers).multi_search.perform({"searches": [one]}, {})["results"][0]
        assert found["request_params"]["per_page"] == limit and found["page"] == offset // limit + 1
        for hit in found["hits"]:
            assert list(hit["document"]) == ["id"], "only what was asked for"
        return [hit["document"]["id"] for hit in found["hits"]]

    def raw(self, base, headers=None):
        parameters = {"q": "ferry", "query_by": "title,body", "per_page": 4}
        own = {"x-typesense-api-key": "xyz", **(headers or {})}
        return requests.get(f"{base}/collections/docs/documents/search", params=parameters, headers=own, timeout=30)

    def forwarded(self, base):
        return requests.get(f"{base}/collections/docs", headers={"x-typesense-api-key": "xyz"}, timeout=30)

    def text(self, one):
        return f"{one['title']}\n{one['body']}"


ENGINES = {"chroma": Chroma, "solr": Solr, "typesense": Typesense}
pytestmark = pytest.mark.skipif(BACKEND not in ENGINES, reason="`run` starts one of these databases")


@pytest.fixture(scope="module")
def engine():
    engine = ENGINES[BACKEND]()
    engine.fill()
    provider(COHERE, "ok")
    return engine


def own_order(engine, hits=50):
    return engine.search(DIRECT, hits)


def expected(engine):
    documents = corpus.documents()
    score = lambda one: cohere_standin.score(QUERY, engine.text(documents[one]))
    return sorted(own_order(engine), key=lambda one: -score(one))


def without_times(value):
    """Times, which differ from call to call. Members are compared as a set: Chroma's have no order."""
    if isinstance(value, dict):
        times = ("QTime", "search_time_ms", "took")
        return {key: without_times(one) for key, one in value.items() if key not in times}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def test_what_is_no_search_is_the_databases_own(engine):
    direct, through = engine.forwarded(DIRECT), engine.forwarded(PROXY)
    assert through.status_code == direct.status_code == 200
    assert without_times(through.json()) == without_times(direct.json())


def test_a_search_that_is_switched_off_is_the_databases_own(engine):
    direct, through = engine.raw(DIRECT), engine.raw(PROXY, ASKING | {"x-rerank": "off"})
    assert through.headers["x-rerank-status"] == "kept; reason=off"
    assert without_times(through.json()) == without_times(direct.json())


def test_the_official_client_gets_the_window_in_the_new_order(engine):
    order = expected(engine)
    assert order != own_order(engine), "something moves"
    assert engine.search(PROXY, 5, ASKING) == order[:5]
    assert engine.search(PROXY, 50, ASKING) == order


def test_whole_hits_move_and_nothing_else(engine):
    direct, through = engine.raw(DIRECT).json(), engine.raw(PROXY, ASKING)
    assert through.headers["x-rerank-status"] == "applied", dict(through.headers)
    assert "etag" not in through.headers and "last-modified" not in through.headers
    through = through.json()
    if BACKEND == "chroma":
        assert without_times(through).keys() == without_times(direct).keys()
        for row in (0, 1):
            assert len(through["ids"][row]) == 4
            every = zip(*[through[column][row] for column in ("ids", "documents", "distances")])
            documents = corpus.documents()
            assert all(text == engine.text(documents[one]) for one, text, _ in every)
        return
    hits = lambda body: body["response"].pop("docs") if BACKEND == "solr" else body.pop("hits")
    assert len(hits(through)) == len(hits(direct))
    assert without_times(through) == without_times(direct), "the envelope is the client's own"


def test_a_walk_through_the_pages_visits_every_hit_once(engine):
    if not engine.pages:
        pytest.skip("no offset there")
    walked = [one for offset in range(0, corpus.COUNT, 7) for one in engine.search(PROXY, 7, ASKING, offset)]
    assert sorted(walked) == sorted(corpus.documents())
    assert walked[:50] == expected(engine)


@pytest.mark.parametrize("mode", ["500", "429", "garbage", "hang"])
def test_a_provider_that_fails_leaves_the_databases_own_answer(engine, mode):
    provider(COHERE_FAILING, mode)
    through = engine.raw(FAILING, {"x-rerank-query": quote(f"{QUERY} {mode}")})
    assert through.status_code == 200 and through.headers["x-rerank-status"].startswith("kept; reason=")
    assert without_times(through.json()) == without_times(engine.raw(DIRECT).json())
