"""Qdrant's official gRPC clients (`clients/`) directly and through rerankd: the same programs but for the port and the one
metadata line.

Two databases: recorded responses of a real Qdrant 1.19.0 (`qdrant_grpc_standin.py`), and the one of `rerankd demo`. Before
each of them rerankd with a provider that answers (`proxy`), with one that the tests break (`failing`), and with one that
hangs and a deadline that no client waits for (`slow`).
"""

import functools
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from qdrant_client import QdrantClient, context_headers, models

import cohere_standin
import qdrant_grpc_standin as standin
from support import COHERE, COHERE_FAILING, WINDOW, http, provider, provider_state

BUILT = Path(os.environ.get("E2E_CLIENTS", ""))
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif("E2E_CLIENTS" not in os.environ, reason="E2E_CLIENTS is set by `run`")

CLIENTS = {
    "python": [sys.executable, HERE / "clients/python/search.py"],
    "python-async": [sys.executable, HERE / "clients/python/search_async.py"],
    "go": [BUILT / "go/search"],
    "java": ["java", "-cp", f"{BUILT}/java/qdrant-client.jar:{BUILT}/java/lib/*", "dev.rerankd.e2e.Search"],
    "javascript": ["node", BUILT / "js/search.mjs"],
    "rust": [BUILT / "rust/debug/qdrant-grpc-client"],
}
SPRING = ["java", "-cp", f"{BUILT}/spring/spring-ai.jar:{BUILT}/spring/lib/*", "dev.rerankd.e2e.Spring"]
HIDE_METADATA = {"python-async", "rust"}
SEARCHES = ["plain", "filtered", "batch", "groups"]
UNAVAILABLE = 14

every_client = pytest.mark.parametrize("client", CLIENTS)
every_database = pytest.mark.parametrize("database", ["recorded", "demo"])


def ports(database: str, way: str) -> list[int]:
    """The ports of REST and of gRPC: the database's own (`direct`), or those of one of rerankd before it."""
    return [int(one) for one in os.environ[f"E2E_GRPC_{database}_{way}".upper()].split()]


def connect(database: str, way: str) -> QdrantClient:
    rest, over_grpc = ports(database, way)
    return QdrantClient(host="127.0.0.1", port=rest, grpc_port=over_grpc, prefer_grpc=True)


class Search:
    """Where a database is searched, and for what: a text whose words are those of documents far down the list."""

    def __init__(self, database: str):
        self.direct = connect(database, "direct")
        self.collection = self.direct.get_collections().collections[0].name
        self.vector = list(standin.RECORDED[0].vector())
        near = self.near()
        self.topic = near[2].payload["topic"]
        words = [word for point in near[20:28] for word in re.findall(r"\w{5,}", point.payload["title"])]
        self.text = " ".join(words) + ", größe & 100 %?"

    def near(self, **named) -> list:
        return self.direct.query_points(self.collection, query=self.vector, limit=WINDOW, **named).points

    def reranked(self, points: list) -> list:
        """The ids by the score of the text that rerankd reads; ties keep the database's order."""

        def score(point) -> float:
            return cohere_standin.score(self.text, f"{point.payload['title']}\n{point.payload['text']}")

        return [point.id for point in sorted(points, key=lambda point: -score(point))]

    def wanted(self) -> dict:
        """What the programs must print when they ask for the text."""
        near = self.reranked(self.near())
        of_topic = models.FieldCondition(key="topic", match=models.MatchValue(value=self.topic))
        groups = self.direct.query_points_groups(
            self.collection, group_by="topic", query=self.vector, limit=3, group_size=3
        ).groups
        return {
            "plain": near[:5],
            "filtered": self.reranked(self.near(query_filter=models.Filter(must=[of_topic])))[:4],
            "batch": [near[:4], near[2:5]],
            "groups": [[group.id, self.reranked(group.hits)] for group in groups],
        }


search = functools.cache(Search)


@functools.cache
def run(client: str, database: str, way: str, asking: bool = False) -> dict:
    """What the client's program prints, by search, and the recorded responses that were given to it."""
    from_standin("/replayed")
    where = search(database)
    printed = program(CLIENTS[client], where, ports(database, way), where.collection, where.text if asking else None)
    return {**printed, "replayed": from_standin("/replayed")}


def program(command: list, where: Search, both: list[int], collection: str, text: str | None) -> dict:
    rest, over_grpc = both
    env = {
        **os.environ,
        "QDRANT_PORT": str(rest),
        "QDRANT_GRPC_PORT": str(over_grpc),
        "COLLECTION": collection,
        "VECTOR": ",".join(map(str, where.vector)),
        "TOPIC": where.topic,
    }
    if text:
        env["QUERY_TEXT"] = text
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    complains = "obtain server version" in done.stdout + done.stderr
    return {line.pop("search"): line for line in lines} | {"complains": complains}


def ids(printed: dict) -> dict:
    return {name: printed[name].get("ids", printed[name]) for name in SEARCHES}


def status(client: str, printed: dict) -> str | None:
    """`x-rerank-status`, where the client shows metadata."""
    assert ("shown" in printed) == (client not in HIDE_METADATA)
    return printed["shown"].get("status") if "shown" in printed else None


def from_standin(path: str) -> list:
    return json.loads(http("GET", os.environ["E2E_STANDIN"] + path).body)


@pytest.fixture(autouse=True)
def everyone_behaves():
    provider(COHERE, "ok")
    yield
    assert provider_state(COHERE)["violations"] == []
    assert from_standin("/seen") == [], "something of rerankd's own reached the database"


def simplified(message) -> list:
    """What of a response does not change between two calls of a real server."""
    if hasattr(message.result, "groups"):
        return [(group.id.string_value, hits(group.hits)) for group in message.result.groups]
    return hits(message.result)


def hits(points) -> list:
    # Scores to four places: the last bits of those of 0 give these an order.
    found = [(-round(point.score, 4) + 0.0, point.id.num, sorted(point.payload)) for point in points]
    return sorted(found)


@pytest.mark.parametrize("one", [one for one in standin.RECORDED if one.is_computed()], ids=lambda one: one.name)
def test_the_stand_in_computes_what_the_real_server_was_recorded_to_answer(one):
    request = standin.asked(one.method, one.request)
    if one.code:
        with pytest.raises(standin.Rejected) as raised:
            standin.computed(one.method, request)
        assert (raised.value.code.value[0], str(raised.value)) == (one.code, one.error)
    else:
        computed = standin.computed(one.method, request)
        assert simplified(computed) == simplified(type(computed).FromString(one.message))


@every_client
@every_database
def test_without_a_query_text_the_hits_are_the_databases_own(client, database):
    direct, proxied = run(client, database, "direct"), run(client, database, "proxy")
    assert all("ids" in direct[name] for name in SEARCHES), direct
    assert ids(proxied) == ids(direct)
    assert status(client, direct) is None
    assert status(client, proxied) == (None if client in HIDE_METADATA else "kept; reason=no_query")


@every_client
@every_database
def test_with_a_query_text_the_hits_come_in_the_rerankers_order(client, database):
    wanted = search(database).wanted()
    assert wanted["plain"] != run(client, database, "direct")["plain"]["ids"]
    printed = run(client, database, "proxy", asking=True)
    assert ids(printed) == wanted
    assert status(client, printed) == (None if client in HIDE_METADATA else "applied")


@every_client
@every_database
def test_a_client_compares_versions_through_rerankd(client, database):
    assert not run(client, database, "direct")["complains"]
    assert not run(client, database, "proxy")["complains"]


@every_client
@every_database
def test_an_error_of_the_database_has_the_same_code_and_message_through_rerankd(client, database):
    own = run(client, database, "direct")["unknown"]
    assert own["code"] == 5 and "missing" in own["message"]
    assert run(client, database, "proxy")["unknown"] == own
    assert run(client, database, "proxy", asking=True)["unknown"] == own


@every_client
def test_a_failing_provider_costs_no_client_its_hits(client):
    provider(COHERE_FAILING, "500")
    printed = run(client, "recorded", "failing", asking=True)
    assert ids(printed) == ids(run(client, "recorded", "direct"))
    assert (status(client, printed) or "kept; reason=").startswith("kept; reason=")
    provider(COHERE_FAILING, "ok")


@every_client
def test_a_database_that_is_away_is_unavailable(client):
    printed = run(client, "recorded", "away", asking=True)
    assert [printed[name].get("code") for name in [*SEARCHES, "unknown"]] == [UNAVAILABLE] * 5, printed


def test_a_client_that_waits_a_second_gets_the_databases_order_in_it():
    provider(COHERE_FAILING, "hang")
    where = search("recorded")
    with context_headers.headers({"x-rerank-query": quote(where.text)}):
        found = connect("recorded", "slow").query_points(where.collection, query=where.vector, limit=5, timeout=1)
    assert found == where.direct.query_points(where.collection, query=where.vector, limit=5)
    provider(COHERE_FAILING, "ok")


def test_a_client_that_tells_no_time_and_gives_up_after_five_seconds_need_not_ask_twice():
    provider(COHERE_FAILING, "hang")
    printed = run("rust", "recorded", "slow", asking=True)
    assert ids(printed) == ids(run("rust", "recorded", "direct"))
    assert printed["replayed"].count("09-query-groups") == 1
    provider(COHERE_FAILING, "ok")


def call(way: str, one) -> tuple:
    """A recorded request as the bytes that it was: the response's bytes, or status and message."""
    with grpc.insecure_channel(f"127.0.0.1:{ports('recorded', way)[1]}") as channel:
        method = channel.unary_unary(f"/qdrant.Points/{one.method}")
        try:
            return (method(one.request, timeout=20),)
        except grpc.RpcError as error:
            return error.code().value[0], error.details()


@pytest.mark.parametrize("one", standin.RECORDED, ids=lambda one: one.name)
def test_a_recorded_response_passes_byte_for_byte(one):
    own = (one.code, one.error) if one.code else (one.message,)
    assert call("direct", one) == own
    assert call("proxy", one) == own


@every_client
def test_what_is_reranked_is_the_recorded_response(client):
    assert "01-query-plain" in run(client, "recorded", "direct")["replayed"]
    replayed = run(client, "recorded", "proxy", asking=True)["replayed"]
    assert {"14-query-gzip", "09-query-groups"} <= set(replayed), "the search as rerankd widens it was recorded too"


def test_spring_ais_store_is_reranked_with_the_recipe_and_left_alone_without():
    where = search("recorded")
    for way in ["direct", "proxy"]:
        printed = program(SPRING, where, ports("recorded", way), standin.BY_UUID, where.text)
        found = {name: [uuid.UUID(one).int for one in printed[name]["ids"]] for name in ["plain", "asking"]}
        own = [point.id for point in where.near()[:5]]
        assert found == {"plain": own, "asking": own if way == "direct" else where.wanted()["plain"]}
        if way == "direct":
            assert "x-rerank-query" in from_standin("/seen")
