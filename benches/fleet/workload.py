"""Who searches for what and when: the same for the fleet that is measured and for its model."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """Searches that arrive at random (Poisson), for queries of which the n-th most frequent comes n to the power of `skew`
    times as seldom as the first (Zipf), at a sidecar chosen at random."""

    rate: float  # searches a second, of all sidecars together
    seconds: float
    queries: int
    skew: float
    sidecars: int
    seed: int = 1

    def arrivals(self) -> Iterator[tuple[float, int, int]]:
        """Second, query and sidecar of each search, in the order of time."""
        chance = random.Random(self.seed)
        frequency = list(itertools.accumulate((rank + 1) ** -self.skew for rank in range(self.queries)))
        ranks = range(self.queries)
        at = chance.expovariate(self.rate)
        while at < self.seconds:
            yield at, chance.choices(ranks, cum_weights=frequency)[0], chance.randrange(self.sidecars)
            at += chance.expovariate(self.rate)
