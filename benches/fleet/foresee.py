"""What the model says of fleets that are too large to run here."""

import dataclasses

from figures import Results, Table
from model import Counts, simulate
from plan import Plan
from workload import Workload

SIZES = (4, 100, 1000)
# Searches a second of each sidecar; long enough that what is saved hardly grows any more would be days.
RATE, SECONDS, TTL = 1.0, 1800, 86_400
QUERIES = 200_000


def measure(plan: Plan, results: Results) -> None:
    table = Table(
        f"By the model: {RATE:g} search/s of each sidecar for {SECONDS / 60:.0f} minutes from empty caches, "
        f"{QUERIES:,} queries, a TTL beyond that",
        ["sidecars", "searches/s", "calls saved with Redis", "without it", "calls/s with it", "without it", "looks into it/s",
         "queries in it", "queries in a sidecar"],
    )  # fmt: skip
    results.tables.append(table)
    times = dataclasses.replace(plan.times, ttl=TTL)
    for size in SIZES:
        plan.say(f"model of {size:,} sidecars")
        workload = Workload(RATE * size, SECONDS, QUERIES, plan.workload.skew, size)
        over, alone = (simulate(workload.arrivals(), size, times, shared) for shared in (True, False))
        table.rows.append([f"{size:,}", f"{workload.rate:,.0f}", *row(over, alone, SECONDS)])


def row(over: Counts, alone: Counts, seconds: float) -> list[str]:
    return [
        *(f"{each.saved:.1%}" for each in (over, alone)),
        *(f"{each.calls / seconds:,.1f}" for each in (over, alone)),
        f"{over.looks / seconds:,.1f}",
        f"{over.held:,}",
        f"{over.held_each:,.0f}",
    ]
