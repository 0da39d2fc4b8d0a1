"""A program that runs for a while: started, looked at through /proc, stopped."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
_given: set[int] = set()


def free_port() -> int:
    """A port that was free just now, each only once."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


class Process:
    """One program with all its worker processes."""

    def __init__(self, command: list, port: int, log: Path, environment: dict[str, str] | None = None):
        self.port = port
        self.log = log
        with log.open("wb") as output:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"], **(environment or {})},
            )
        self.wait()

    def wait(self, patience: float = 20) -> None:
        """Until it takes connections."""
        end = time.monotonic() + patience
        while time.monotonic() < end and self.child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"{self.child.args[0]} does not listen:\n{self.log.read_text()}")

    def pids(self) -> list[int]:
        """Its own, and its children's."""
        found = [self.child.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in task.read_text().split())
        return found

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system, of all its processes."""
        return sum(ticks(pid) for pid in self.pids()) / TICK

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes: VmRSS now, or VmHWM at most, added up over its processes."""
        return sum(field(f"/proc/{pid}/status", what) for pid in self.pids())

    def proportional(self) -> int:
        """Bytes now, where what several of its processes share counts once (PSS)."""
        return sum(field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in self.pids())

    def stop(self) -> None:
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def field(path: str, name: str) -> int:
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(path).read_text(), re.M)[1]) * 1024
