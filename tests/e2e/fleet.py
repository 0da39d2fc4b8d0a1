"""What `test_fleet.py` starts and stops: a real Redis, and sidecars over it. Everything listens on loopback."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from ports import free_ports
from support import COHERE, DIRECT, http

RERANKD = os.environ.get("E2E_RERANKD", "")
"""The binary."""
SERVERS = [path for path in os.environ.get("E2E_REDIS_SERVERS", "").split(":") if path]
"""Real servers: Redis, Valkey."""
PATIENCE = 20
"""Seconds until something has happened."""


def eventually(what: str, so) -> None:
    """Waits until `so()`; what it raises until then does not count."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if so():
                return
        except OSError:
            pass
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Redis:
    """A server without persistence, whose data goes with its process."""

    def __init__(self, binary: str, folder: Path, *options: str):
        self.binary, self.folder, self.options, self.port = binary, folder, options, free_ports(1)[0]
        self.start()

    def start(self) -> None:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        arguments = [self.binary, *where, "--save", "", *self.options]
        log = open(self.folder / "redis.log", "ab")
        self.process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually("Redis listens", lambda: socket.create_connection(("127.0.0.1", self.port)).close() is None)

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        self.process.wait()

    def signal(self, name: signal.Signals) -> None:
        self.process.send_signal(name)

    def ask(self, *words: str) -> object:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            asked = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))
            connection.sendall(b"*%d\r\n" % len(words) + asked)
            return read(connection.makefile("rb"))


def read(stream) -> object:
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind in b"+-":
        return line
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return stream.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    return [read(stream) for _ in range(int(rest))]


class Sidecar:
    """rerankd over `redis`, which is what the configuration has at `cache.redis`."""

    def __init__(self, folder: Path, name: str, redis: str, secret: Path, limits: str = ""):
        self.port, self.admin_port = free_ports(2)
        self.config, self.log = folder / f"{name}.yaml", folder / f"{name}.log"
        self.config.write_text(
            f"listeners: [{{ listen: '127.0.0.1:{self.port}', upstream: {{ url: '{DIRECT}' }} }}]\n"
            f"admin: {{ listen: '127.0.0.1:{self.admin_port}' }}\n"
            "rerank: { deadline: 10s }\n"
            f"providers: {{ cohere: {{ {limits} }} }}\n"
            f"cache: {{ secret_file: '{secret}', redis: {redis} }}\n"
        )
        environment = {**os.environ, "CO_API_KEY": "test", "CO_API_URL": COHERE}
        self.process = subprocess.Popen(
            [RERANKD, "serve", "--config", str(self.config)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(self.log, "ab"),
        )
        eventually(f"{name} is ready", lambda: self.admin("/readyz").status == 200)

    def admin(self, path: str):
        return http("GET", f"http://127.0.0.1:{self.admin_port}{path}")

    def metric(self, line: str) -> float:
        """The value of `rerankd_fleet_<line>`."""
        return self.series(f"rerankd_fleet_{line}")

    def series(self, name: str) -> float:
        for each in self.admin("/metrics").body.decode().splitlines():
            if each.startswith(f"{name} "):
                return float(each.rsplit(" ", 1)[1])
        raise AssertionError(name)

    def round_trips(self, operation: str, result: str) -> float:
        return self.metric(f'round_trips_total{{operation="{operation}",result="{result}"}}')

    def breaker(self, lane: str) -> float:
        """0 closed, 1 half open, 2 open."""
        return self.metric(f'breaker_state{{lane="{lane}"}}')

    def connected(self) -> None:
        """Waits until both lanes are open for use: each has had a good probe."""
        eventually("Redis is connected to", lambda: self.round_trips("probe", "ok") >= 2)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)
