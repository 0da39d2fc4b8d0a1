"""A discrete-event model of sidecars that share scores through Redis, or do not.

What it assumes: the documents of a query are always the same, so that a query is known or unknown as a whole; a sidecar's
memory and Redis hold what comes within a TTL; nothing fails. Everything else is as rerankd does it: calls for equal queries
are shared within a sidecar but not between two, scores reach Redis a moment after the call, expire there within a tenth of
the TTL, and live for another TTL in a sidecar that found them there.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Counts:
    """What became of the searches; `looks`: round trips to Redis for scores; `held`: queries in Redis, at most."""

    searches: int = 0
    known: int = 0  # to the sidecar itself
    joined: int = 0  # an equal call of the same sidecar
    shared: int = 0  # found in Redis
    calls: int = 0  # to the provider
    looks: int = 0
    held: int = 0
    held_each: float = 0  # queries in the memory of a sidecar at the end, on average

    @property
    def saved(self) -> float:
        """The share of searches that no call was made for."""
        return 1 - self.calls / self.searches


@dataclass(frozen=True)
class Times:
    """In seconds."""

    ttl: float
    call: float  # that the provider takes
    write: float  # from the end of a call until Redis has its scores


def simulate(arrivals: Iterable[tuple[float, int, int]], sidecars: int, times: Times, shared: bool) -> Counts:
    memory: list[dict[int, tuple[float, float]]] = [{} for _ in range(sidecars)]  # query: known from, until
    redis: dict[int, tuple[float, float]] = {}
    spread = random.Random(0)
    counts, at = Counts(), 0.0
    for at, query, sidecar in arrivals:
        counts.searches += 1
        own = memory[sidecar]
        start, end = own.get(query, (0.0, 0.0))
        if at < start:
            counts.joined += 1
            continue
        if at < end:
            counts.known += 1
            continue
        if shared:
            counts.looks += 1
            start, end = redis.get(query, (0.0, 0.0))
            if start <= at < end:
                counts.shared += 1
                own[query] = (at, at + times.ttl)
                continue
        counts.calls += 1
        answered = at + times.call
        own[query] = (answered, answered + times.ttl)
        if shared:
            written = answered + times.write
            life = times.ttl * spread.uniform(0.9, 1.1)
            redis[query] = (min(written, start) if at < start else written, answered + life)
    counts.held = len(redis)
    counts.held_each = sum(end > at for each in memory for _, end in each.values()) / sidecars
    return counts
