"""Cohere's Python SDK through rerankd's own rerank endpoint, in front of cohere_standin.py (nobody reaches the real
service from a test)."""

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid

import cohere
import pytest
from cohere import errors
from cohere.core import ApiError

import cohere_standin
from support import COHERE, COHERE_FAILING, http, provider, provider_state

RERANKD = os.environ.get("E2E_RERANKD", "")
pytestmark = pytest.mark.skipif(not (RERANKD and COHERE and COHERE_FAILING), reason="set by `run`")

MODEL = "rerank-v3.5"
QUERY = "how do I reset a forgotten password"
DOCUMENTS = [
    "The firm was started in 2019 by three people.",
    "To reset a forgotten password open Settings.",
    "A password needs eight characters.",
    "Größe 中文 😀: how do I reset it?",
]


class Api:
    """One rerankd with nothing but the endpoint, taken down at the end."""

    def __init__(self, cohere_url: str, **settings: str):
        names = {f"RERANKD_RERANK_API__{key.upper()}": value for key, value in settings.items()}
        own = {"CO_API_KEY": "test", "CO_API_URL": cohere_url, "RERANKD_RERANK_API__LISTEN": "127.0.0.1:0"}
        command = [RERANKD, "serve", "--admin", "127.0.0.1:0", "--log-format", "json"]
        environment = {**os.environ, **own, **names}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self.admin = self.listening("metrics and health")
        self.url = self.listening("rerank API")

    def listening(self, what: str) -> str:
        for line in self.process.stderr:
            if f'"{what}"' in line:
                return "http://" + re.search(r'"listen":"([^"]+)"', line)[1]
        raise AssertionError(f"rerankd did not say where its {what} listen")

    def requests(self) -> int:
        """How many requests have come in."""
        text = http("GET", self.admin + "/metrics").body.decode()
        return sum(int(n) for n in re.findall(r"^rerankd_api_requests_total\{.*\} (\d+)$", text, re.M))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.fixture(scope="module")
def api():
    provider(COHERE, "ok")
    with Api(COHERE) as api:
        yield api
    assert provider_state(COHERE)["violations"] == []


@pytest.fixture
def client(api):
    return cohere.ClientV2(api_key="not-the-real-one", base_url=api.url)


def fresh() -> str:
    """A query that no cache knows."""
    return f"{QUERY} {uuid.uuid4().hex}"


def wanted(query: str, documents=DOCUMENTS) -> list:
    scores = [cohere_standin.score(query, text) for text in documents]
    return [(at, pytest.approx(scores[at])) for at in sorted(range(len(scores)), key=lambda at: (-scores[at], at))]


def got(response) -> list:
    return [(result.index, result.relevance_score) for result in response.results]


def test_v2_and_its_second_time_from_the_cache(client):
    query = fresh()
    calls = provider_state(COHERE)["calls"]
    first = client.rerank(model=MODEL, query=query, documents=DOCUMENTS)
    assert got(first) == wanted(query)
    assert uuid.UUID(first.id).version == 4
    assert (first.meta.api_version.version, first.meta.billed_units.search_units) == ("2", 1)
    again = client.rerank(model=MODEL, query=query, documents=DOCUMENTS[::-1], top_n=None)
    assert got(again) == wanted(query, DOCUMENTS[::-1])
    assert again.meta.billed_units.search_units == 0
    assert again.id != first.id
    assert provider_state(COHERE)["calls"] == calls + 1


def test_top_n_and_the_responses_headers(client):
    query = fresh()
    response = client.with_raw_response.rerank(model=MODEL, query=query, documents=DOCUMENTS, top_n=2)
    assert got(response.data) == wanted(query)[:2]
    assert response.headers["x-rerank-provider"] == "cohere"
    assert response.headers["x-rerank-model"] == MODEL
    assert response.headers["x-rerank-cache"] == "0/4"


def test_v1(api):
    query = fresh()
    documents = [{"title": "a", "text": text} for text in DOCUMENTS]
    with cohere.Client(api_key="any", base_url=api.url) as client:
        response = client.rerank(query=query, documents=documents, return_documents=True)
        assert got(response) == wanted(query)
        assert [result.document.text for result in response.results] == [DOCUMENTS[at] for at, _ in wanted(query)]
        assert response.meta.api_version.version == "1"
        response = client.rerank(query=query, documents=documents, rank_fields=["title", "text"], top_n=1)
        assert response.results[0].document is None


def test_many_at_once_of_the_asynchronous_client_are_one_call(api):
    query = fresh()
    calls = provider_state(COHERE)["calls"]

    async def ask():
        async with cohere.AsyncClientV2(api_key="any", base_url=api.url) as client:
            many = (client.rerank(model=MODEL, query=query, documents=DOCUMENTS) for _ in range(20))
            return await asyncio.gather(*many)

    responses = asyncio.run(ask())
    assert all(got(response) == wanted(query) for response in responses)
    assert sum(response.meta.billed_units.search_units for response in responses) == 1
    assert provider_state(COHERE)["calls"] == calls + 1


def test_a_model_by_name(client):
    response = client.with_raw_response.rerank(model="rerank-v4.0-pro", query=fresh(), documents=DOCUMENTS)
    assert response.headers["x-rerank-model"] == "rerank-v4.0-pro"
    assert provider_state(COHERE)["last"]["model"] == "rerank-v4.0-pro"


def test_with_two_lines_of_environment():
    """An application that knows nothing of rerankd."""
    program = (
        "import cohere; response = cohere.ClientV2().rerank(model='rerank-v3.5', query='a b', documents=['c', 'b']);"
        "print(response.results[0].index)"
    )
    provider(COHERE, "ok")
    with Api(COHERE) as api:
        environment = {**os.environ, "CO_API_URL": api.url, "CO_API_KEY": "any"}
        ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("1\n", 0), ran.stderr


@pytest.mark.parametrize(
    "error, message, change",
    [
        (errors.BadRequestError, "document at index 1 cannot be empty", {"documents": ["a", " "]}),
        (errors.BadRequestError, "list of documents must not be empty", {"documents": []}),
        (errors.BadRequestError, "query must not be empty", {"query": " "}),
        (errors.BadRequestError, "must be at most 1000", {"documents": ["a"] * 1001}),
        (errors.UnprocessableEntityError, "should be of type string", {"documents": [{"text": "a"}]}),
        (errors.UnprocessableEntityError, "max_tokens_per_doc is 4096", {"max_tokens_per_doc": 100}),
    ],
)
def test_the_callers_mistakes_are_its_own_classes_of_error_and_not_repeated(api, client, error, message, change):
    before = api.requests()
    with pytest.raises(error) as raised:
        client.rerank(**{"model": MODEL, "query": QUERY, "documents": DOCUMENTS, **change})
    assert message in raised.value.body["message"]
    assert api.requests() == before + 1


def test_a_base_url_with_a_version_is_told(api):
    with pytest.raises(errors.NotFoundError) as raised:
        cohere.ClientV2(api_key="any", base_url=api.url + "/v1").rerank(model=MODEL, query="q", documents=["a"])
    assert "must not end in /v1" in raised.value.body["message"]


def embedded(url: str):
    client = cohere.ClientV2(api_key="a-key-of-coheres", base_url=url)
    return client.embed(
        model="embed-v4.0", texts=["a", "bb"], input_type="search_query", embedding_types=["float"]
    ).embeddings.float_


def test_other_calls_go_on_to_cohere_with_the_callers_own_key(api):
    assert embedded(api.url) == [[0.01, 0.25, -0.5], [0.02, 0.25, -0.5]]
    assert provider_state(COHERE)["last"]["authorization"] == "Bearer a-key-of-coheres"
    with Api(COHERE, pass_on="false") as api, pytest.raises(errors.NotFoundError) as raised:
        embedded(api.url)
    assert "serves only" in raised.value.body["message"]


def test_a_model_that_is_not_allowed():
    with Api(COHERE, allow_models="rerank-v4*") as api:
        client = cohere.ClientV2(api_key="any", base_url=api.url)
        assert client.rerank(model=MODEL, query=fresh(), documents=DOCUMENTS).results
        with pytest.raises(errors.NotFoundError) as raised:
            client.rerank(model="xyz", query=QUERY, documents=DOCUMENTS)
        assert raised.value.body["message"].startswith("model 'xyz' not found")


def test_a_token(tmp_path):
    (tmp_path / "token").write_text("for callers\n".replace(" ", "-"))
    with Api(COHERE, token_file=str(tmp_path / "token")) as api:
        asked = {"model": MODEL, "query": fresh(), "documents": DOCUMENTS}
        assert cohere.ClientV2(api_key="for-callers", base_url=api.url).rerank(**asked).results
        with pytest.raises(errors.UnauthorizedError):
            cohere.ClientV2(api_key="another", base_url=api.url).rerank(**asked)


@pytest.mark.parametrize(
    "mode, error, status",
    [
        ("429", errors.TooManyRequestsError, 429),
        ("500", errors.ServiceUnavailableError, 503),
        ("hang", errors.GatewayTimeoutError, 504),
        ("401", ApiError, 502),
        ("garbage", ApiError, 502),
    ],
)
def test_a_failing_provider_is_an_error_after_a_bounded_number_of_tries(mode, error, status):
    provider(COHERE_FAILING, mode)
    with Api(COHERE_FAILING, deadline="300ms") as api:
        before, begun = api.requests(), time.monotonic()
        with pytest.raises(error) as raised:
            cohere.ClientV2(api_key="any", base_url=api.url).rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)
        took = time.monotonic() - begun
        assert raised.value.status_code == status
        assert QUERY not in raised.value.body["message"]
        assert api.requests() == before + 3, "the SDK tries three times"
        assert took < 10, f"{took} s"
        if mode == "429":
            begun = time.monotonic()
            once = {"request_options": {"max_retries": 0}}
            with pytest.raises(error):
                cohere.ClientV2(api_key="any", base_url=api.url).rerank(
                    model=MODEL, query=QUERY, documents=DOCUMENTS, **once
                )
            assert time.monotonic() - begun < 1
            # Until the minute ends, which it may do once in between.
            assert provider_state(COHERE_FAILING)["calls"] in (1, 2), "a limited provider is left alone"
    provider(COHERE_FAILING, "ok")


def test_the_next_provider_scores_while_cohere_fails():
    provider(COHERE_FAILING, "500")
    with Api(COHERE_FAILING, providers="cohere,lexical") as api:
        client = cohere.ClientV2(api_key="any", base_url=api.url)
        documents = ["nothing of the kind", "reset the password"]
        response = client.with_raw_response.rerank(model=MODEL, query="password reset", documents=documents)
        assert response.headers["x-rerank-provider"] == "lexical"
        assert response.data.results[0].index == 1
        assert response.data.meta.warnings == ["asked for rerank-v3.5, scored by bm25 of the provider lexical"]
        assert api.requests() == 1
    provider(COHERE_FAILING, "ok")
