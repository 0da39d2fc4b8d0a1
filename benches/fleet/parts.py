"""What runs: a database, a provider that counts, a Redis, and the sidecars over them. Everything listens on loopback."""

import json
import os
import signal
import socket
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import tools
from process import Process, free_port

# Fifty hits of five hundred bytes: see benches/proxy/peers.
TARGET = b"/collections/hits-50-500/points/query"
BODY = b'{"query":[0.1,0.2,0.3,0.4],"limit":50,"with_payload":true}'
PROVIDER = "cohere"


def search(query: int) -> bytes:
    """The request of a search."""
    return (
        b"POST %s HTTP/1.1\r\nhost: db\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"x-rerank-query: refund%%20of%%20train%%20%d\r\n\r\n%s" % (TARGET, len(BODY), query, BODY)
    )


def prepare(rerankd: str | None) -> dict[str, str]:
    """The programs, built or installed where they are not there."""
    tools.PACKAGES = {"redis-server": "redis-server"}
    tools.install_packages()
    tools.build(tools.HERE / "peers", "--release", target=tools.TARGET / "peers")
    if rerankd is None:
        tools.build(tools.ROOT, "--profile", "dist", "--bin", "rerankd", target=tools.ROOT / "target")
        rerankd = str(tools.ROOT / "target" / "dist" / "rerankd")
    peers = tools.TARGET / "peers" / "release"
    return {
        "rerankd": rerankd,
        "database": str(peers / "database"),
        "provider": str(peers / "provider"),
        "redis-server": tools.program_path("redis-server"),
    }


class Fleet:
    """A database, a provider of constant latency, Redis if wanted, and so many sidecars with empty caches."""

    def __init__(self, programs: dict[str, str], sidecars: int, shared: bool, ttl: float, call: float):
        self.programs, self.shared, self.ttl = programs, shared, ttl
        self.day = today()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet")))
        try:
            (self.folder / "secret").write_bytes(os.urandom(32))
            self.database = self.start([programs["database"], port := free_port()], port)
            self.call = int(call * 1e6)
            self.provider = self.start_provider(free_port())
            self.redis = self.start_redis(free_port()) if shared else None
            self.sidecars = [self.start_sidecar(free_port(), free_port()) for _ in range(sidecars)]
        except BaseException:
            self.stack.close()
            raise

    def start(self, command: list, port: int, environment: dict[str, str] | None = None) -> Process:
        process = Process(command, port, self.folder / f"{port}.log", environment)
        self.stack.callback(end, process)
        return process

    def start_provider(self, port: int) -> Process:
        return self.start([self.programs["provider"], port, self.call], port)

    def start_redis(self, port: int) -> Process:
        command = [self.programs["redis-server"], "--port", port, "--bind", "127.0.0.1", "--save", ""]
        return self.start([*command, "--dir", self.folder], port)

    def start_sidecar(self, port: int, admin: int) -> Process:
        config = self.folder / f"{port}.yaml"
        redis = f"{{ url: 'redis://127.0.0.1:{self.redis.port}', share_limits: true }}" if self.shared else "null"
        secret = f"secret_file: {self.folder / 'secret'}, redis: {redis}" if self.shared else ""
        config.write_text(
            f"listeners: [{{ listen: '127.0.0.1:{port}', upstream: {{ url: 'http://127.0.0.1:{self.database.port}' }} }}]\n"
            f"admin: {{ listen: '127.0.0.1:{admin}' }}\n"
            f"providers: {{ {PROVIDER}: {{ max_search_units_per_day: 100000000 }} }}\n"
            f"cache: {{ ttl: {self.ttl:.0f}s, {secret} }}\n"
        )
        environment = {"CO_API_URL": f"http://127.0.0.1:{self.provider.port}", "CO_API_KEY": "test"}
        sidecar = self.start([self.programs["rerankd"], "serve", "--config", config], port, environment)
        sidecar.admin = admin
        return sidecar

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", each.port) for each in self.sidecars]

    def calls(self) -> int:
        """Calls that the provider has counted. Each has at most a hundred documents, which is one search unit."""
        return json.loads(get(self.provider.port, "/calls"))

    def billed(self) -> int:
        """Search units that the sidecars say they were billed, of those that still run."""
        return round(sum(metric(each.admin, "rerankd_search_units_billed_total", PROVIDER) for each in self.sidecars))

    def spent(self) -> int | None:
        """Search units that Redis has counted for the fleet's budget of the day; None where that began after the fleet."""
        if today() != self.day:
            return None
        for key in ask(self.redis.port, "KEYS", "*"):
            if ask(self.redis.port, "TYPE", key) == b"+hash" and (day := ask(self.redis.port, "HGET", key, "in_day")):
                return round(float(day))
        return 0

    def kill_sidecar(self) -> None:
        kill(self.sidecars[0])

    def restart_sidecar(self) -> None:
        self.sidecars[0] = self.start_sidecar(self.sidecars[0].port, self.sidecars[0].admin)

    def kill_redis(self) -> None:
        kill(self.redis)

    def restart_redis(self) -> None:
        self.redis = self.start_redis(self.redis.port)

    def hang_redis(self) -> None:
        self.redis.child.send_signal(signal.SIGSTOP)

    def wake_redis(self) -> None:
        self.redis.child.send_signal(signal.SIGCONT)

    def hang_provider(self) -> None:
        self.provider.child.send_signal(signal.SIGSTOP)

    def wake_provider(self) -> None:
        self.provider.child.send_signal(signal.SIGCONT)

    def kill_provider(self) -> None:
        kill(self.provider)

    def restart_provider(self) -> None:
        self.provider = self.start_provider(self.provider.port)

    def kill_database(self) -> None:
        kill(self.database)

    def restart_database(self) -> None:
        self.database = self.start([self.programs["database"], self.database.port], self.database.port)

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *exception) -> None:
        self.stack.__exit__(*exception)


def today() -> int:
    """The day of UTC, by which budgets are counted."""
    return int(time.time() // 86_400)


def kill(process: Process) -> None:
    """As `kill -9`."""
    process.child.kill()
    process.child.wait()


def end(process: Process) -> None:
    if process.child.poll() is None:
        process.child.send_signal(signal.SIGCONT)
        process.stop()


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return response.read().decode()


def metric(port: int, name: str, provider: str) -> float:
    lines = get(port, "/metrics").splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f'{name}{{provider="{provider}"'))


def ask(port: int, *words: str | bytes):
    """One command of Redis."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        sent = [word if isinstance(word, bytes) else word.encode() for word in words]
        connection.sendall(b"*%d\r\n" % len(sent) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in sent))
        return read(connection.makefile("rb"))


def read(stream):
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"*":
        return [read(stream) for _ in range(int(rest))]
    if kind == b"$":
        return stream.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    return line
