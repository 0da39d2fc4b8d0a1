"""A steady load of skewed queries: what the fleet saves, what it spends, how long a search takes, and whether the model knew."""

import asyncio
import time

import load
from figures import Figure, Results, Table
from model import Counts, simulate
from parts import Fleet, search
from plan import Plan

PERCENTILES = (0.5, 0.99)
# How far the model's count of calls may be from the provider's.
TOLERANCE = 0.02


def shared(plan: Plan, results: Results) -> None:
    measure(plan, results, "one Redis", True)


def alone(plan: Plan, results: Results) -> None:
    measure(plan, results, "each alone", False)


def measure(plan: Plan, results: Results, name: str, over_redis: bool) -> None:
    workload = plan.workload
    plan.say(f"{workload.seconds:.0f} s at {workload.rate:.0f} searches/s, {workload.sidecars} sidecars, {name}")
    with Fleet(plan.programs, workload.sidecars, over_redis, plan.times.ttl, plan.times.call) as fleet:
        answers = asyncio.run(load.send(workload.arrivals(), fleet.addresses, search))
        time.sleep(1)  # the last bills are on their way to Redis
        counted, billed, spent = fleet.calls(), fleet.billed(), fleet.spent() if over_redis else None
    foreseen = simulate(workload.arrivals(), workload.sidecars, plan.times, over_redis)
    failed = sum(not each.status for each in answers)
    unranked = sum(each.status != "applied" for each in answers) - failed
    results.figures += [
        Figure(f"{name}: searches that failed", "0", f"{failed:,} of {len(answers):,}", not failed),
        Figure(f"{name}: searches not reranked", "0", f"{unranked:,}", not unranked),
        spend(name, counted, billed, spent),
        against_model(name, len(answers), counted, foreseen),
    ]
    results.tables.append(by_minute(name, answers))


def spend(name: str, counted: int, billed: int, spent: int | None) -> Figure:
    said = f"{counted:,} counted by the provider, {billed:,} by the sidecars"
    said += "" if spent is None else f", {spent:,} by Redis"
    return Figure(f"{name}: search units", "equal", said, counted == billed and spent in (None, counted))


def against_model(name: str, searches: int, counted: int, foreseen: Counts) -> Figure:
    off = abs(counted - foreseen.calls) / foreseen.calls
    measured = f"{counted:,} calls, {1 - counted / searches:.1%} saved; model {foreseen.calls:,}, {foreseen.saved:.1%}"
    return Figure(f"{name}: calls as the model says", f"within {TOLERANCE:.0%}", measured, off <= TOLERANCE)


def by_minute(name: str, answers: list[load.Answer]) -> Table:
    table = Table(
        f"{name}, by minute; milliseconds from when a search was due",
        ["minute", "searches", "all from a cache", "p50", "p99", "p50 of cached", "p99 of cached", "p50 of others"],
    )
    for minute in range(int(max(each.due for each in answers) // 60) + 1):
        these = [each for each in answers if each.due // 60 == minute and each.status]
        cached = [each for each in these if each.cached]
        others = [each for each in these if not each.cached]
        times = [*quantiles(these), *quantiles(cached), *quantiles(others)[:1]]
        share = f"{len(cached) / len(these):.1%}" if these else ""
        table.rows.append([str(minute + 1), f"{len(these):,}", share, *times])
    return table


def quantiles(answers: list[load.Answer]) -> list[str]:
    ordered = sorted(each.seconds * 1000 for each in answers)
    return [f"{ordered[int(part * len(ordered))]:.1f}" if ordered else "" for part in PERCENTILES]
