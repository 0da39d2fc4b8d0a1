"""Searches sent at their time, whether earlier ones have been answered or not; each one's time counts from when it was due."""

import asyncio
import collections
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Address = tuple[str, int]

# A search that takes longer has failed.
PATIENCE = 10


@dataclass(frozen=True)
class Answer:
    """How one search ended, `due` seconds after the start. `status` is that of reranking; empty where the search failed, and
    then `failure` says how."""

    due: float
    seconds: float
    status: str
    cached: bool
    failure: str = ""


class Sender:
    """The client of some sidecars, with kept connections to each. `request` writes the search for a query. Nothing is sent
    twice: a search that a closing connection swallows has failed."""

    def __init__(self, addresses: list[Address], request: Callable[[int], bytes]):
        self.addresses = addresses
        self.request = request
        self.idle: dict[Address, list] = collections.defaultdict(list)

    async def search(self, query: int, sidecar: int) -> tuple[str, bool]:
        """Asks the sidecar, and the next one where that takes no connection, as behind a Service. Raises what went wrong."""
        refused = None
        for step in range(len(self.addresses)):
            address = self.addresses[(sidecar + step) % len(self.addresses)]
            idle = self.idle[address]
            try:
                connection = reusable(idle) or await asyncio.open_connection(*address)
            except OSError as failure:
                refused = failure
                continue
            try:
                status, cached, kept = await self.exchange(connection, query)
            except BaseException:
                connection[1].close()
                raise
            idle.append(connection) if kept else connection[1].close()
            return status, cached
        raise refused or OSError("no sidecar")

    async def exchange(self, connection: tuple, query: int) -> tuple[str, bool, bool]:
        """The status of reranking, whether all scores were cached, and whether the connection stays open."""
        reader, writer = connection
        writer.write(self.request(query))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        headers = {name.lower(): value for name, value in headers.items()}
        await reader.readexactly(int(headers["content-length"]))
        if first.split()[1] != "200":
            raise OSError(first)
        known, _, of = headers.get("x-rerank-cache", "0/1").partition("/")
        return headers["x-rerank-status"], known == of, headers.get("connection", "").lower() != "close"

    def close(self) -> None:
        for each in self.idle.values():
            for _, writer in each:
                writer.close()


def reusable(idle: list) -> tuple | None:
    """A kept connection that the server has not closed meanwhile, as every pool of connections looks first."""
    while idle:
        reader, writer = idle.pop()
        if not reader.at_eof() and reader.exception() is None:
            return reader, writer
        writer.close()
    return None


async def send(
    arrivals: Iterable[tuple[float, int, int]],
    addresses: list[Address],
    request: Callable[[int], bytes],
    events: list[tuple[float, Callable[[], None]]] = (),
) -> list[Answer]:
    """Sends all, does the events at their seconds, and waits until every search has ended."""
    sender, answers, tasks = Sender(addresses, request), [], set()
    start = time.perf_counter()

    async def one(due: float, query: int, sidecar: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                status, cached = await sender.search(query, sidecar)
                failure = ""
        except Exception as problem:  # whatever it is: a search without an answer would be missing in every count
            status, cached, failure = "", False, repr(problem)
        answers.append(Answer(due, time.perf_counter() - start - due, status, cached, failure))

    async def do(second: float, event: Callable[[], None]) -> None:
        await asyncio.sleep(second)
        await asyncio.to_thread(event)

    happening = [asyncio.create_task(do(*each)) for each in events]
    for due, query, sidecar in arrivals:
        wait = due - (time.perf_counter() - start)
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(due, query, sidecar))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*happening)
    while tasks:
        await asyncio.gather(*tasks)
    sender.close()
    return answers
