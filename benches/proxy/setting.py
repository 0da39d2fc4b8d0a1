"""What runs beside the measurements: database, provider and every proxy, and how long each run takes."""

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc_proxies
from process import Process, free_port
from proxies import Rerankd, envoy, haproxy, nginx
from tools import Tools

OTHERS = {"nginx": nginx, "HAProxy": haproxy, "Envoy": envoy}
GRPC = {"nginx": grpc_proxies.nginx, "HAProxy": grpc_proxies.haproxy, "Envoy": grpc_proxies.envoy}
# What the provider takes for a call.
LATENCY = 20_000  # microseconds


@dataclass
class Setting:
    tools: Tools
    workers: int  # of each proxy; rerankd has one for each core by itself
    rounds: int
    seconds: int
    requests: int  # for the memory after many requests
    stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Setting":
        try:
            self.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def start(self) -> None:
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="proxy-bench")))
        self.folder.chmod(0o755)
        self.database = self.peer([self.tools.database])
        self.provider = self.peer([self.tools.provider], LATENCY)
        self.grpc_database = self.peer([self.tools.grpc_database])
        self.proxies = {"rerankd": self.rerankd(), **{name: self.another(name) for name in OTHERS}}
        # An earlier build, where there is one to compare with.
        self.before = {"before": self.rerankd(binary=self.tools.before)} if self.tools.before else {}
        # A Qdrant listener tells gRPC from REST by itself.
        self.grpc_proxies = {"rerankd": self.proxies["rerankd"], **{name: self.over_grpc(name) for name in GRPC}}

    def __exit__(self, *exception) -> None:
        self.stack.__exit__(*exception)

    def peer(self, command: list[str], *options: int) -> Process:
        port = free_port()
        log = self.folder / f"peer-{port}.log"
        return self.stack.enter_context(Process([*command, port, *options], port, log))

    def rerankd(self, provider: Process | None = None, config: str = "", binary: str | None = None) -> Rerankd:
        """A fresh one, which runs until the end unless it is stopped; of this build, or of the one that is measured."""
        port = (provider or self.provider).port
        grpc = None if binary else self.grpc_database.port
        process = Rerankd(binary or self.tools.rerankd, self.folder, self.database.port, grpc, port, config)
        return self.stack.enter_context(process)

    def another(self, name: str) -> Process:
        """A fresh one of the other proxies, likewise."""
        return self.stack.enter_context(OTHERS[name](self.tools, self.folder, self.database.port, self.workers))

    def over_grpc(self, name: str) -> Process:
        """The same for gRPC."""
        return self.stack.enter_context(GRPC[name](self.tools, self.folder, self.grpc_database.port, self.workers))

    def say(self, what: str) -> None:
        print(f"… {what}", file=sys.stderr, flush=True)
