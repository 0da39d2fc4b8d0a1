"""Unary gRPC calls: load by h2load, and single calls by curl, which shows the trailers."""

import math
import re
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from load import Run
from process import Process
from tools import Tools


@dataclass(frozen=True)
class Call:
    """A method with the message that is sent to it, over so many streams of so many connections."""

    method: str
    message: bytes
    streams: int = 16
    connections: int = 1
    metadata: dict[str, str] = field(default_factory=dict, hash=False)

    @staticmethod
    def plain(streams: int, connections: int = 1) -> "Call":
        """1,000 bytes to a method that is no search; as many come back."""
        return Call("Get", text(1, "hits-50-2000") + text(15, "x" * 983), streams, connections)

    @staticmethod
    def search(hits: int, query: str, size: int = 2000, streams: int = 16) -> "Call":
        """What the official clients send for a vector, a limit and all payloads."""
        vector = struct.pack("<384f", *(math.sin(n) for n in range(1, 385)))
        nearest = of_bytes(3, of_bytes(1, of_bytes(2, of_bytes(1, vector))))
        message = text(1, f"hits-{hits}-{size}") + nearest + bytes([8 << 3, *varint(hits)]) + of_bytes(11, b"\x08\x01")
        return Call("Query", message, streams, metadata={"x-rerank-query": query})

    def request(self) -> bytes:
        """The message with its five bytes before it."""
        return b"\0" + struct.pack(">I", len(self.message)) + self.message

    def headers(self) -> list[str]:
        """As options of h2load and curl."""
        lines = {"content-type": "application/grpc", "te": "trailers", "user-agent": "grpc-bench/1", **self.metadata}
        return [part for name, value in lines.items() for part in ("-H", f"{name}: {value}")]


def run(tools: Tools, server: Process, call: Call, folder: Path, seconds: float) -> Run:
    """Keeps the streams busy for so long. A response that is not whole ends everything: it would be no measure."""
    expected = len(once(tools, server, call, folder)[1])
    command = [
        tools.h2load, "-t", 1, "-c", call.connections, "-m", call.streams // call.connections, "-D", seconds,
        "-d", written(call, folder), *call.headers(), address(server, call),
    ]  # fmt: skip
    before = server.cpu()
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    used = server.cpu() - before
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", said)[1])
    done, failed, errored = (int(re.search(rf"(\d+) {what}", said)[1]) for what in ("succeeded", "failed", "errored"))
    data = int(re.search(r"\((\d+)\) data", said)[1])
    # Calls in flight at the end have brought a part of their responses.
    if failed or errored or not done or not 0 <= data / expected - done <= call.streams:
        raise RuntimeError(f"{server.child.args[0]}: {call.method}, {expected} bytes each\n{said}")
    return Run(done, done / rate, data, failed + errored, 0, 0, 0, used * 1e6 / done)


def once(tools: Tools, server: Process, call: Call, folder: Path) -> tuple[dict[str, str], bytes]:
    """One call: initial metadata and trailers together, and the response's message with its five bytes."""
    heads, body = folder / "call.head", folder / "call.body"
    command = [
        tools.curl, "--silent", "--show-error", "--fail", "--http2-prior-knowledge", "--max-time", 20, "-D", heads, "-o", body,
        "--data-binary", f"@{written(call, folder)}", *call.headers(), address(server, call),
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True)
    lines = [line.split(": ", 1) for line in heads.read_text().splitlines() if ": " in line]
    metadata = {name.lower(): value for name, value in lines}
    if metadata.get("grpc-status") != "0":
        raise RuntimeError(f"{server.child.args[0]}: {call.method}: {metadata}")
    return metadata, body.read_bytes()


def address(server: Process, call: Call) -> str:
    return f"http://127.0.0.1:{server.port}/qdrant.Points/{call.method}"


def written(call: Call, folder: Path) -> Path:
    file = folder / "call.request"
    file.write_bytes(call.request())
    return file


def text(number: int, value: str) -> bytes:
    return of_bytes(number, value.encode())


def of_bytes(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return bytes([number << 3 | 2, *varint(len(value))]) + value


def varint(value: int) -> list[int]:
    return [value] if value < 128 else [value & 127 | 128, *varint(value >> 7)]
