"""What searches see when a part of the fleet dies under load, and once it is back."""

import asyncio
import collections
import dataclasses
import time
from collections.abc import Callable

import load
from figures import Figure, Results, Table
from parts import Fleet, search
from plan import Plan
from steady import quantiles


@dataclasses.dataclass(frozen=True)
class Fault:
    """`most`: how many searches may fail, None where rerankd cannot answer. `counted`: whether who counts lives through it."""

    what: str
    begin: Callable[[Fleet], None]
    end: Callable[[Fleet], None]
    most: int | None = 0
    counted: bool = True


FAULTS = [
    # What is in flight with it fails; what comes after goes to the others.
    Fault("a sidecar is killed", Fleet.kill_sidecar, Fleet.restart_sidecar, 20),
    Fault("Redis is killed", Fleet.kill_redis, Fleet.restart_redis, counted=False),
    Fault("Redis hangs", Fleet.hang_redis, Fleet.wake_redis),
    Fault("the provider hangs", Fleet.hang_provider, Fleet.wake_provider),
    Fault("the provider is killed", Fleet.kill_provider, Fleet.restart_provider, counted=False),
    Fault("the database is killed", Fleet.kill_database, Fleet.restart_database, None),
]


def measure(plan: Plan, results: Results) -> None:
    table = Table(
        f"When a part dies: before, without it, after, {plan.pause:.0f} s each; p50 and p99 in milliseconds",
        ["what", "when", "searches", "failed", "reranked", "kept, by reason", "p50", "p99"],
    )
    results.tables.append(table)
    for fault in FAULTS:
        plan.say(fault.what)
        measure_one(plan, results, table, fault)


def measure_one(plan: Plan, results: Results, table: Table, fault: Fault) -> None:
    pause = plan.pause
    workload = dataclasses.replace(plan.workload, seconds=3 * pause)
    with Fleet(plan.programs, workload.sidecars, True, plan.times.ttl, plan.times.call) as fleet:
        events = [(pause, lambda: fault.begin(fleet)), (2 * pause, lambda: fault.end(fleet))]
        answers = asyncio.run(load.send(workload.arrivals(), fleet.addresses, search, events))
        time.sleep(1)
        counted, spent = (fleet.calls(), fleet.spent()) if fault.counted else (0, None)
    for number, when in enumerate(("before", "without it", "after")):
        these = [each for each in answers if each.due // pause == number]
        table.rows.append([fault.what if number == 0 else "", when, *row(these)])
    failed = sum(not each.status for each in answers)
    target = "as many as came" if fault.most is None else f"at most {fault.most}"
    met = None if fault.most is None else failed <= fault.most
    said = f"{failed:,} of {len(answers):,}"
    said += "" if spent is None else f"; search units: {counted:,} by the provider, {spent:,} by Redis"
    results.figures.append(Figure(f"{fault.what}: searches that failed", target, said, met))


def row(answers: list[load.Answer]) -> list[str]:
    ended = collections.Counter(each.status for each in answers)
    failed, applied = ended.pop("", 0), ended.pop("applied", 0)
    kept = ", ".join(f"{status.removeprefix('kept; reason=')} {count:,}" for status, count in sorted(ended.items()))
    return [f"{len(answers):,}", f"{failed:,}", f"{applied:,}", kept, *quantiles([each for each in answers if each.status])]
