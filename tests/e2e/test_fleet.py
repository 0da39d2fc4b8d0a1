"""Sidecars that share scores through a real Redis or Valkey, which is killed, paused, filled and brought back."""

import itertools
import os
import signal
import subprocess
import threading
import time
import uuid
from urllib.parse import quote

import pytest

import corpus
from fleet import RERANKD, SERVERS, Redis, Sidecar, eventually
from ports import free_ports
from support import COHERE, DIRECT, check_applied, http, provider, provider_state, reranked

pytestmark = pytest.mark.skipif(
    not (SERVERS and RERANKD), reason="E2E_REDIS_SERVERS and E2E_RERANKD are set by `run`"
)
GET_SECONDS = 'round_trip_duration_seconds_sum{operation="get"}'
GET_COUNT = 'round_trip_duration_seconds_count{operation="get"}'
texts = itertools.count()


@pytest.fixture(scope="session")
def collection():
    """The corpus, in the database."""
    name = "fleet-" + uuid.uuid4().hex[:8]
    url = f"{DIRECT}/collections/{name}"
    assert http("PUT", url, {"vectors": {"size": 4, "distance": "Cosine"}}).status == 200
    points = [
        {"id": int(key), "vector": corpus.vector(int(key)), "payload": document}
        for key, document in corpus.documents().items()
    ]
    assert http("PUT", f"{url}/points?wait=true", {"points": points}).status == 200
    yield name
    http("DELETE", url)


@pytest.fixture(params=SERVERS, ids=lambda path: os.path.basename(path))
def redis(request, tmp_path):
    server = Redis(request.param, tmp_path)
    yield server
    server.kill()


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(os.urandom(32))
    return file


@pytest.fixture
def start(tmp_path, secret):
    """Starts sidecars over what is given as `cache.redis`; each ends with exit code 0."""
    running = []

    def start(redis: str, limits: str = "") -> Sidecar:
        running.append(Sidecar(tmp_path, f"sidecar-{len(running)}", redis, secret, limits))
        return running[-1]

    yield start
    assert [one.stop() for one in running] == [0] * len(running)


@pytest.fixture
def pair(redis, start):
    both = start(url(redis)), start(url(redis))
    for one in both:
        one.connected()
    return both


@pytest.fixture(autouse=True)
def calls():
    """Counted from 0 in each test."""
    provider(COHERE, "ok")
    yield lambda: provider_state(COHERE)["calls"]
    assert provider_state(COHERE)["violations"] == []


def url(redis: Redis) -> str:
    return f"'redis://127.0.0.1:{redis.port}'"


def new_text() -> str:
    """A query that nobody has asked."""
    return f"{corpus.QUERIES[0]} {next(texts)} canary"


def search(sidecar: Sidecar, collection: str, text: str):
    """The ids and headers of a search, which is reranked."""
    response = http(
        "POST",
        f"http://127.0.0.1:{sidecar.port}/collections/{collection}/points/query",
        {"query": corpus.query_vector(), "limit": 10},
        {"x-rerank-query": quote(text)},
    )
    assert response.status == 200, response.body
    check_applied(response.headers)
    ids = [int(point["id"]) for point in response.json()["result"]["points"]]
    assert ids == reranked(list(range(1, corpus.COUNT + 1)), text)[:10]
    return ids, response.headers


def ask(sidecar: Sidecar, collection: str, text: str) -> str:
    """How a search ends."""
    response = http(
        "POST",
        f"http://127.0.0.1:{sidecar.port}/collections/{collection}/points/query",
        {"query": corpus.query_vector(), "limit": 10},
        {"x-rerank-query": quote(text)},
    )
    assert response.status == 200, response.body
    return response.headers["x-rerank-status"]


def written(sidecar: Sidecar, count: int) -> None:
    eventually("scores are written", lambda: sidecar.metric("scores_written_total") >= count)


def test_what_one_has_scored_the_other_does_not_pay_for(redis, pair, collection, calls):
    one, other = pair
    text = new_text()
    _, headers = search(one, collection, text)
    assert (headers["x-rerank-cache"], calls()) == ("0/50", 1)
    written(one, 50)
    _, headers = search(other, collection, text)
    assert (headers["x-rerank-cache"], calls()) == ("50/50", 1)
    # From there on it is known without Redis.
    asked = other.round_trips("get", "ok")
    search(other, collection, text)
    assert (other.round_trips("get", "ok"), calls()) == (asked, 1)


def test_redis_holds_hashes_that_expire_and_no_text(redis, pair, collection):
    search(pair[0], collection, new_text())
    written(pair[0], 50)
    keys = [key for key in redis.ask("KEYS", "*") if b":p:" not in key]
    day = 24 * 60 * 60 * 1000
    [key] = keys
    [chunk] = redis.ask("LRANGE", key.decode(), "0", "-1")
    assert key.startswith(b"rerankd:q:") and len(key) == 32 and len(chunk) == 13 + 50 * 16
    assert 0.89 * day < redis.ask("PTTL", key.decode()) < 1.1 * day
    for _ in range(9):
        search(pair[0], collection, new_text())
    written(pair[0], 500)
    keys = [key for key in redis.ask("KEYS", "*") if b":q:" in key]
    assert len({redis.ask("PTTL", key.decode()) // 60_000 for key in keys}) > 5, "spread over time"


def test_a_score_takes_little_of_redis(redis, pair, collection):
    searches = 20
    for _ in range(searches):
        search(pair[0], collection, new_text())
    written(pair[0], searches * 50)
    keys = [key.decode() for key in redis.ask("KEYS", "*") if b":q:" in key]
    taken = sum(redis.ask("MEMORY", "USAGE", key, "SAMPLES", "0") for key in keys)
    # As keys of their own they took 104 bytes of Redis 7.0 and 72 of Valkey 9.1.
    assert len(keys) == searches and taken / (searches * 50) < 26, taken


def test_a_fleet_over_a_cluster_shares_scores(redis, start, collection, calls):
    redis.kill()
    # By itself its bus would listen ten thousand ports higher, where there may be none.
    redis.options = ("--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0]))
    redis.start()
    assert redis.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK"
    eventually("the cluster is up", lambda: b"cluster_state:ok" in redis.ask("CLUSTER", "INFO"))
    both = [start(f"'redis+cluster://127.0.0.1:{redis.port}'") for _ in range(2)]
    for one in both:
        one.connected()
    text = new_text()
    search(both[0], collection, text)
    written(both[0], 50)
    asked = calls()
    _, headers = search(both[1], collection, text)
    assert (headers["x-rerank-cache"], calls()) == ("50/50", asked)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [("requests_per_minute: 5", "rate_limited"), ("max_search_units_per_day: 5", "budget")],
)
def test_a_fleet_keeps_one_limit_and_each_its_own_when_redis_is_gone(redis, start, collection, calls, limits, reason):
    shared = f"{{ url: {url(redis)}, share_limits: true }}"
    both = start(shared, limits), start(shared, limits)
    for one in both:
        one.connected()
    statuses = [ask(both[n % 2], collection, new_text()) for n in range(12)]
    assert statuses.count("applied") == 5 == calls(), statuses
    assert set(statuses[5:]) == {f"kept; reason={reason}"}, statuses
    if reason == "budget":
        left = 'rerankd_spend_left{provider="cohere",unit="search_units",window="day"}'
        assert [one.series(left) for one in both] == [0, 1], "what the fleet had left after the last call of each"
    redis.kill()
    eventually("Redis gets no commands", lambda: ask(both[0], collection, new_text()) and both[0].breaker("reads") == 2)
    # Each has spent two or three of its own five.
    rest = [ask(both[n % 2], collection, new_text()) for n in range(12)]
    assert calls() <= 10 and rest[-1] == f"kept; reason={reason}", (calls(), rest)


def test_kill_and_restart_under_load_fail_no_search(redis, pair, collection, calls):
    failures, done, over = [], itertools.count(), threading.Event()

    def load(sidecar):
        while not over.is_set():
            try:
                search(sidecar, collection, new_text())
            except Exception as failure:  # whatever it is, a search has failed
                failures.append(failure)
            next(done)

    threads = [threading.Thread(target=load, args=[one]) for one in pair]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1.5)
        redis.kill()
        time.sleep(1.5)
        redis.start()
    for one in pair:
        eventually("Redis is used again", lambda: one.breaker("reads") == one.breaker("writes") == 0)
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert next(done) > 50
    # It is shared again.
    text = new_text()
    before = pair[0].metric("scores_written_total")
    search(pair[0], collection, text)
    written(pair[0], before + 50)
    asked = calls()
    search(pair[1], collection, text)
    assert calls() == asked


def test_a_paused_redis_costs_its_time_out_until_the_breaker_opens(redis, pair, collection):
    one = pair[0]
    search(one, collection, new_text())
    # Its own numbers: the rest of a search takes as long as this machine is busy.
    timeouts, seconds = one.round_trips("get", "timeout"), one.metric(GET_SECONDS)
    redis.signal(signal.SIGSTOP)
    for _ in range(5):
        search(one, collection, new_text())
    eventually("the breaker opens", lambda: one.breaker("reads") == 2)
    timeouts, seconds = one.round_trips("get", "timeout") - timeouts, one.metric(GET_SECONDS) - seconds
    assert 1 <= timeouts <= 5
    assert 0.019 * timeouts < seconds < 0.05 * timeouts, "20 ms each"
    asked = one.metric(GET_COUNT)
    for _ in range(20):
        search(one, collection, new_text())
    assert one.metric(GET_COUNT) == asked, "nobody waits for it any more"
    redis.signal(signal.SIGCONT)
    eventually("Redis is used again", lambda: one.breaker("reads") == one.breaker("writes") == 0)
    log = one.log.read_text()
    assert log.count('Redis gets no commands until it answers lane="reads"') == 1, log
    assert log.count('Redis answers again and is used lane="reads"') == 1, log


def test_a_full_redis_is_still_read_from(redis, pair, collection, calls):
    one, other = pair
    text = new_text()
    search(one, collection, text)
    written(one, 50)
    assert redis.ask("CONFIG", "SET", "maxmemory", "1") == b"+OK"
    for _ in range(8):
        search(one, collection, new_text())
    eventually("writes are left alone", lambda: one.breaker("writes") == 2)
    asked = calls()
    _, headers = search(other, collection, text)
    assert (headers["x-rerank-cache"], calls()) == ("50/50", asked)
    assert (one.breaker("reads"), other.breaker("reads")) == (0, 0)
    assert redis.ask("CONFIG", "SET", "maxmemory", "0") == b"+OK"
    eventually("it is written to again", lambda: one.breaker("writes") == 0)


def test_scores_that_wait_are_written_at_the_end(redis, start, collection):
    one = start(url(redis))
    one.connected()
    search(one, collection, new_text())
    # The search does not wait for them, not even until they wait.
    eventually("they wait", lambda: one.metric("queue_length") + one.metric("scores_written_total") >= 50)
    assert one.stop() == 0
    [key] = [key for key in redis.ask("KEYS", "*") if b":q:" in key]
    assert redis.ask("LLEN", key.decode()) == 1


def test_the_login_is_shown_nowhere(redis, start, collection, tmp_path):
    redis.kill()
    redis.options = ("--requirepass", "sekrit-of-redis")
    redis.start()
    good = start(f"'redis://:sekrit-of-redis@127.0.0.1:{redis.port}'")
    bad = start(f"'redis://:sekrit-but-wrong@127.0.0.1:{redis.port}'")
    good.connected()
    eventually("the login is rejected", lambda: bad.breaker("reads") == 2)
    for one in (good, bad):
        search(one, collection, new_text())
    written(good, 50)
    assert "the login is rejected" in bad.log.read_text()
    command = [RERANKD, "check", "--all", "--config", str(good.config)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0 and f"redis://***@127.0.0.1:{redis.port}/0" in checked.stdout
    shown = checked.stdout
    for one in (good, bad):
        shown += one.log.read_text() + one.admin("/metrics").body.decode()
    assert "sekrit" not in shown and "canary" not in shown
