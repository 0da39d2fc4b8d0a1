"""Searches sent at their time, whether earlier ones have been answered or not; each one's time counts from when it was due."""

import asyncio
import collections
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# A search that takes longer has failed.
PATIENCE = 10
BODY = b'{"query":[0.1,0.2,0.3,0.4],"limit":50,"with_payload":true}'


@dataclass(frozen=True)
class Answer:
    """How one search ended, `due` seconds after the start. `status` is that of reranking; empty where the search failed."""

    due: float
    seconds: float
    status: str
    cached: bool


class Sender:
    """The client of some sidecars, with kept connections to each."""

    def __init__(self, ports: list[int], collection: str):
        self.ports = ports
        self.collection = collection
        self.idle: dict[int, list] = collections.defaultdict(list)

    async def search(self, query: int, sidecar: int) -> tuple[str, bool]:
        """Asks the sidecar, and the next one where that takes no connection, as behind a Service. Raises what went wrong."""
        refused = None
        for step in range(len(self.ports)):
            port = self.ports[(sidecar + step) % len(self.ports)]
            try:
                connection = self.idle[port].pop() if self.idle[port] else await asyncio.open_connection("127.0.0.1", port)
            except OSError as failure:
                refused = failure
                continue
            try:
                found = await self.exchange(connection, query)
            except BaseException:
                connection[1].close()
                raise
            self.idle[port].append(connection)
            return found
        raise refused or OSError("no sidecar")

    async def exchange(self, connection: tuple, query: int) -> tuple[str, bool]:
        reader, writer = connection
        writer.write(
            b"POST /collections/%s/points/query HTTP/1.1\r\nhost: db\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nx-rerank-query: refund%%20of%%20train%%20%d\r\n\r\n%s"
            % (self.collection.encode(), len(BODY), query, BODY)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        headers = {name.lower(): value for name, value in headers.items()}
        await reader.readexactly(int(headers["content-length"]))
        if first.split()[1] != "200":
            raise OSError(first)
        known, _, of = headers.get("x-rerank-cache", "0/1").partition("/")
        return headers["x-rerank-status"], known == of

    def close(self) -> None:
        for each in self.idle.values():
            for _, writer in each:
                writer.close()


async def send(
    arrivals: Iterable[tuple[float, int, int]],
    ports: list[int],
    collection: str,
    events: list[tuple[float, Callable[[], None]]] = (),
) -> list[Answer]:
    """Sends all, does the events at their seconds, and waits until every search has ended."""
    sender, answers, tasks = Sender(ports, collection), [], set()
    start = time.perf_counter()

    async def one(due: float, query: int, sidecar: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                status, cached = await sender.search(query, sidecar)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, KeyError, ValueError):
            status, cached = "", False
        answers.append(Answer(due, time.perf_counter() - start - due, status, cached))

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
