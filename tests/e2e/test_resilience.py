"""Searches run on while the provider, Redis and the database are killed and brought back, and through a restart and a
reload: no client sees an error but while the database itself is down, and latency is soon what it was.
"""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from ports import free_ports

HERE = Path(__file__).parent
RERANKD = os.environ.get("E2E_RERANKD", "")
pytestmark = pytest.mark.skipif(not RERANKD, reason="E2E_RERANKD is set by `run`")

CLIENTS = 6
DEADLINE = 0.3
"""Of the rerank step, in seconds."""
OPEN_FOR = 1.0
"""Of the circuit, at first."""


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


class Server:
    """A process on a port of its own that can be killed and started again."""

    def __init__(self, name: str, port: int, *command: str, env: dict | None = None, ready: str | None = None):
        self.name, self.port, self.command, self.ready = name, port, command, ready
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env
        )
        until(lambda: self.is_ready(), f"{self.name} starts")

    def is_ready(self) -> bool:
        assert self.process and self.process.poll() is None, f"{self.name} has ended"
        if self.ready is None:
            return reachable(self.port)
        try:
            return urllib.request.urlopen(self.ready, timeout=1).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process = None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


def until(done, what: str, seconds: float = 20) -> float:
    """Waits for `done`; how long that took."""
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < seconds, f"never: {what}"
        time.sleep(0.05)
    return time.monotonic() - started


class Seen:
    """One search as its client saw it."""

    def __init__(self, at: float, took: float, status: int, outcome: str, error: str):
        self.at, self.took, self.status, self.outcome, self.error = at, took, status, outcome, error

    def failed(self) -> bool:
        return self.status != 200


class Clients:
    """Threads that search all the time, each on one kept connection. A connection that was closed while it was idle is
    made anew, as every HTTP client does; nothing else is tried twice."""

    def __init__(self, port: int):
        self.port, self.seen, self.lock = port, [], threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(10)

    def run(self, number: int) -> None:
        choice = random.Random(number)
        connection, port = None, None
        while not self.stopped.is_set():
            if port != self.port and connection:
                connection.close()
                connection = None
            port = self.port
            fresh = connection is None
            connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            query = f"passage {choice.randrange(200)}" if choice.random() < 0.5 else f"q{choice.random()} passage 7"
            started = time.monotonic()
            try:
                seen = self.search(connection, query, started)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                connection.close()
                connection = None
                if not fresh:
                    continue
                seen = Seen(started, time.monotonic() - started, 0, "", repr(error))
            except OSError as error:
                connection.close()
                connection = None
                seen = Seen(started, time.monotonic() - started, 0, "", repr(error))
            with self.lock:
                self.seen.append(seen)
            time.sleep(0.02)

    def search(self, connection, query: str, started: float) -> Seen:
        headers = {"content-type": "application/json", "x-rerank-query": query.replace(" ", "%20")}
        body = json.dumps({"query": [0.1, 0.2], "limit": 5})
        connection.request("POST", "/collections/docs/points/query", body, headers)
        response = connection.getresponse()
        text = response.read()
        outcome = response.headers.get("x-rerank-status", "")
        if response.status == 200:
            points = json.loads(text)["result"]["points"]
            assert len(points) == 5, text
            if outcome.startswith("kept"):
                assert [point["id"] for point in points] == [0, 1, 2, 3, 4], (outcome, text)
        return Seen(started, time.monotonic() - started, response.status, outcome, "")

    def between(self, start: float, end: float) -> list[Seen]:
        with self.lock:
            return [seen for seen in self.seen if start <= seen.at < end]

    def all_applied(self, seconds: float) -> bool:
        """Whether every search of the last while was reranked, cached or not."""
        seen = self.since(time.monotonic() - seconds)
        return len(seen) > 5 and len(applied(seen)) == len(seen)

    def since(self, start: float) -> list[Seen]:
        return self.between(start, float("inf"))


def configuration(folder: Path, database: int, cohere: int, redis: int, listen: int, admin: int) -> Path:
    (folder / "secret").write_text("a fleet's secret of enough length")
    path = folder / f"rerankd-{listen}.yaml"
    path.write_text(
        f"""
listeners: [{{ listen: "127.0.0.1:{listen}", upstream: {{ url: "http://127.0.0.1:{database}" }} }}]
admin: {{ listen: "127.0.0.1:{admin}" }}
rerank: {{ deadline: {int(DEADLINE * 1000)}ms, window: 20 }}
providers:
  cohere:
    base_url: "http://127.0.0.1:{cohere}"
    breaker: {{ open_for: {OPEN_FOR}s, min_calls: 5, window: 2s }}
cache: {{ secret_file: {folder}/secret, redis: "redis://127.0.0.1:{redis}" }}
"""
    )
    return path


@pytest.fixture
def servers(tmp_path):
    redis_server = shutil.which("redis-server") or shutil.which("valkey-server")
    assert redis_server, "`run` installs redis-server"
    database, cohere, redis, *own = free_ports(7)
    python = sys.executable
    servers = {
        "database": Server("the database", database, python, str(HERE / "steady_database.py"), str(database)),
        "cohere": Server("the Cohere stand-in", cohere, python, str(HERE / "cohere_standin.py"), str(cohere)),
        "redis": Server(
            "redis", redis, redis_server, "--port", str(redis), "--save", "", "--dir", str(tmp_path), "--bind", "127.0.0.1"
        ),
    }
    for name, (listen, admin) in {"old": own[:2], "new": own[2:]}.items():
        path = configuration(tmp_path, database, cohere, redis, listen, admin)
        servers[name] = Server(
            f"rerankd ({name})",
            listen,
            RERANKD,
            "serve",
            "--config",
            str(path),
            env={"CO_API_KEY": "test"},
            ready=f"http://127.0.0.1:{admin}/readyz",
        )
        servers[name].file = path
    for name in ["database", "cohere", "redis", "old"]:
        servers[name].start()
    yield servers
    for server in servers.values():
        server.kill()


def median(seen: list[Seen]) -> float:
    return statistics.median(one.took for one in seen)


def applied(seen: list[Seen]) -> list[Seen]:
    return [one for one in seen if one.outcome == "applied"]


def assert_no_failure(seen: list[Seen], when: str) -> None:
    failed = [(one.status, one.error) for one in seen if one.failed()]
    assert seen and not failed, f"{when}: {len(failed)} of {len(seen)} failed: {failed[:5]}"


def test_searches_go_on_through_every_outage_a_reload_and_a_restart(servers):
    with Clients(servers["old"].port) as clients:
        started = time.monotonic()
        time.sleep(4)
        calm = clients.since(started + 1)
        assert_no_failure(calm, "in calm weather")
        assert len(applied(calm)) > 0.9 * len(calm), [one.outcome for one in calm if one.outcome != "applied"][:5]
        usual = median(calm)

        down = time.monotonic()
        servers["cohere"].kill()
        time.sleep(4)
        up = time.monotonic()
        servers["cohere"].start()
        assert_no_failure(clients.between(down, up), "while the provider was down")
        slowest = max(one.took for one in clients.between(down, up))
        assert slowest < DEADLINE + 1, f"the provider's outage cost a client {slowest:.3f} s"
        # Open twice as long after each failed probe: 1, 2, 4 s.
        again = until(lambda: clients.all_applied(0.5), "all is reranked again")
        assert again < 8, f"reranked again only after {again:.1f} s"

        down = time.monotonic()
        servers["redis"].kill()
        time.sleep(3)
        servers["redis"].start()
        time.sleep(1)
        without = clients.between(down, time.monotonic())
        assert_no_failure(without, "while Redis was down")
        assert len(applied(without)) > 0.9 * len(without)
        assert median(without) < 3 * usual + 0.03, f"{median(without):.4f} s instead of {usual:.4f} s"

        changed = time.monotonic()
        file = servers["old"].file
        file.write_text(file.read_text().replace("window: 20", "window: 30"))
        servers["old"].signal(signal.SIGHUP)
        time.sleep(2)
        assert_no_failure(clients.since(changed), "through a reload")

        moved = time.monotonic()
        servers["new"].start()
        clients.port = servers["new"].port
        time.sleep(0.5)
        servers["old"].signal(signal.SIGTERM)
        assert servers["old"].process.wait(20) == 0
        time.sleep(2)
        assert_no_failure(clients.since(moved), "through a restart")

        down = time.monotonic()
        servers["database"].kill()
        time.sleep(3)
        servers["database"].start()
        up = time.monotonic()
        statuses = {one.status for one in clients.between(down + 0.2, up - 1)}
        assert statuses == {502}, f"the database's outage is told as it is: {statuses}"

        time.sleep(1)
        end = time.monotonic()
        time.sleep(4)
        after = clients.since(end)
        assert_no_failure(after, "after all of it")
        assert len(applied(after)) > 0.9 * len(after)
        assert median(after) < 3 * usual + 0.03, f"{median(after):.4f} s instead of {usual:.4f} s"
        assert time.monotonic() - started > 25
