"""`rerankd explain` on a real OpenSearch: the bytes that it shows do, sent by hand, what it says they did."""

import json
import os
import subprocess

import pytest

import corpus
from support import COHERE, COHERE_FAILING, DIRECT, PROXY, http, provider, provider_state, reranked

RERANKD = os.environ.get("E2E_RERANKD", "")
pytestmark = pytest.mark.skipif(not (RERANKD and DIRECT and COHERE), reason="E2E_RERANKD and E2E_DIRECT are set by `run`")
INDEX = "e2e-explain"
KEY = "test"
QUERY = corpus.QUERIES[1]
BODY = {"query": {"match": {"body": corpus.FIRST_STAGE}}, "size": 10, "_source": ["topic"], "ext": {"rerank": {"query": QUERY}}}


@pytest.fixture(scope="module", autouse=True)
def index():
    http("DELETE", f"{DIRECT}/{INDEX}")
    lines = [part for doc, source in corpus.documents().items() for part in ({"index": {"_id": doc}}, source)]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert not http("POST", f"{DIRECT}/{INDEX}/_bulk?refresh=true", body).json()["errors"]
    yield
    http("DELETE", f"{DIRECT}/{INDEX}")


def explain(*args: str, service: str = COHERE, body: object = None) -> subprocess.CompletedProcess:
    env = {**os.environ, "CO_API_KEY": KEY, "CO_API_URL": service}
    text = None if body is None else json.dumps(body)
    command = [RERANKD, "explain", "--upstream", DIRECT, *args]
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=env)
    assert f"Bearer {KEY}" not in ended.stdout + ended.stderr
    return ended


def explained(*args: str, **more) -> dict:
    ended = explain(*args, "--json", **more)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def ids(response: dict) -> list[str]:
    return [hit["_id"] for hit in response["hits"]["hits"]]


def test_what_is_shown_does_by_hand_what_it_did():
    provider(COHERE, "ok")
    told = explained("-", "--path", f"/{INDEX}/_search", body=BODY)
    [search], [asked], [call] = told["searches"], told["database"], told["calls"]
    assert (search["outcome"], search["query"], search["query_source"]) == ("applied", QUERY, "body")
    [hits] = search["lists"]
    # What the database was asked gives, by hand, the candidates in their order.
    again = http("POST", DIRECT + asked["target"], asked["body"].encode())
    candidates = ids(again.json())
    assert [hit["id"] for hit in hits] == candidates and len(candidates) == 50
    assert asked["taken_out_again"] and '"ext"' not in asked["body"]
    # The call is what the service got, and gives by hand the scores that are told.
    assert provider_state(COHERE)["last"] == json.loads(call["body"])
    headers = dict(call["headers"])
    assert headers["authorization"] == "Bearer ***"
    response = http("POST", call["url"], call["body"].encode(), {"authorization": f"Bearer {KEY}"})
    results = json.loads(response.body)["results"]
    scores = {result["index"]: result["relevance_score"] for result in results}
    assert [hit["relevance"] for hit in hits] == [pytest.approx(scores[at]) for at in range(len(hits))]
    assert json.loads(call["body"])["documents"] == [hit["document"]["text"] for hit in hits]
    # The order is that of the running server, and of a reranker that nobody here wrote.
    page = sorted((hit for hit in hits if hit["to"] == "response"), key=lambda hit: hit["place"])
    order = [hit["id"] for hit in page]
    assert order == reranked(candidates, QUERY)[:10]
    assert order == ids(http("POST", f"{PROXY}/{INDEX}/_search", BODY).json())
    assert provider_state(COHERE)["violations"] == []


def test_the_table_has_text_and_no_key():
    provider(COHERE, "ok")
    ended = explain("-", "--path", f"/{INDEX}/_search", "--full", body=BODY)
    assert ended.returncode == 0, ended.stderr
    for part in ("RERANKED by cohere, model rerank-v3.5", "harbour", "authorization: Bearer ***", "the proxy's own member"):
        assert part in ended.stdout, ended.stdout


def test_a_kept_order_and_a_rejection_are_explained():
    target = f"/{INDEX}/_search?q={corpus.FIRST_STAGE}&sort=year:asc"
    ended = explain(target)
    assert ended.returncode == 0 and "ORDER WAS KEPT: not_ranked" in ended.stdout, ended.stdout
    provider(COHERE_FAILING, "401")
    ended = explain(f"/{INDEX}/_search?q={corpus.FIRST_STAGE}", service=COHERE_FAILING)
    assert ended.returncode == 0 and "ORDER WAS KEPT: auth" in ended.stdout, ended.stdout
    assert f"query       {corpus.FIRST_STAGE} (from the query itself)" in ended.stdout
    ended = explain("POST /no-such-index/_search", "--body", json.dumps(BODY))
    assert ended.returncode == 3 and "index_not_found_exception" in ended.stdout, ended.stdout
    ended = explain("GET /_cluster/health")
    assert ended.returncode == 1 and "this is no search" in ended.stderr, ended.stderr
