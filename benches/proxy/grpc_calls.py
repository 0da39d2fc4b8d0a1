"""Unary gRPC calls: passed on unread through each proxy in turn, and a search reranked from the cache."""

import grpc_load
import load
from figures import Figure, Results, Table
from forwarding import micros
from grpc_load import Call
from load import Request
from process import Process
from rounds import Rounds
from searching import QUERIES, warm
from setting import Setting

RIVALS = ["rerankd", "nginx", "Envoy"]  # against whom the figures are reached; HAProxy stands in the tables
SHAPES = [(16, 1), (64, 1), (64, 4)]  # streams in all, connections that share them
HITS = 50


def measure(setting: Setting, results: Results) -> None:
    forwarding(setting, results)
    searching(setting, results)


def calls(setting: Setting, server: Process, call: Call):
    return lambda: grpc_load.run(setting.tools, server, call, setting.folder, setting.seconds)


def forwarding(setting: Setting, results: Results) -> None:
    table = Table(
        "Unary gRPC calls of 1 kB each way, forwarded; ratios are rerankd to that proxy in the same round",
        ["what", "proxy", "calls/s", "rerankd / it", "CPU per call", "rerankd / it"],
    )
    results.tables.append(table)
    for streams, connections in SHAPES:
        what = f"gRPC calls of 1 kB, {streams} streams" + (f" on {connections} connections" if connections > 1 else "")
        setting.say(what)
        call = Call.plain(streams, connections)
        contestants = {name: calls(setting, proxy, call) for name, proxy in setting.grpc_proxies.items()}
        rounds = Rounds.play(contestants, setting.rounds)
        add_rows(table, what, rounds)
        rivals = Rounds({name: rounds.runs[name] for name in RIVALS})
        speed, best = rivals.worst_ratio("rerankd", lambda run: run.per_second, more_is_better=True)
        figure = Figure(f"{what}: calls/s", "≥ 1.0 of the best", f"{speed} of {best}", speed.median >= 1)
        results.figures.append(figure)
        cost, best = rivals.worst_ratio("rerankd", lambda run: run.cpu, more_is_better=False)
        figure = Figure(f"{what}: CPU", "≤ 1.0 of the best", f"{cost} of {best}", cost.median <= 1)
        results.figures.append(figure)


def add_rows(table: Table, what: str, rounds: Rounds) -> None:
    for name in rounds.runs:
        own = name == "rerankd"
        table.rows.append(
            [
                what,
                name,
                f"{rounds.median(name, lambda run: run.per_second):,.0f}",
                "" if own else str(rounds.ratio("rerankd", name, lambda run: run.per_second)),
                micros(rounds.median(name, lambda run: run.cpu)),
                "" if own else str(rounds.ratio("rerankd", name, lambda run: run.cpu)),
            ]
        )


def searching(setting: Setting, results: Results) -> None:
    """The same hits from the same cache, once over REST and once over gRPC; the other proxies forward the call."""
    setting.say(f"searches of {HITS} hits from the cache, over gRPC and over REST")
    rest, search = Request.search(HITS, QUERIES), Call.search(HITS, "again%200")
    warm(setting, rest)
    ready(setting, search)
    proxies = setting.grpc_proxies
    over_rest = lambda: load.run(setting.tools.wrk, setting.proxies["rerankd"], rest, 16, setting.seconds)  # noqa: E731
    contestants = {name: calls(setting, proxy, search) for name, proxy in proxies.items()}
    rounds = Rounds.play({**contestants, "rerankd over REST": over_rest}, setting.rounds)
    for other, most, target in (
        ("rerankd over REST", 0.9, "≤ 0.9 of the same search over REST"),
        ("Envoy", 2.0, "≤ 2.0 of Envoy forwarding"),
    ):
        cost = rounds.ratio("rerankd", other, lambda run: run.cpu)
        what = f"gRPC search, {HITS} hits × 2 kB from the cache: CPU"
        results.figures.append(Figure(what, target, str(cost), cost.median <= most))
    table = Table(
        f"A search of {HITS} hits × 2 kB with all scores cached, reranked by rerankd, forwarded by the others; 16 streams",
        ["what", "proxy", "calls/s", "rerankd / it", "CPU per call", "rerankd / it"],
    )
    add_rows(table, "search", rounds)
    results.tables.append(table)


def ready(setting: Setting, search: Call) -> None:
    """Fills the cache, and sees to it that what is measured is what is meant."""
    for _ in range(2):
        metadata, _ = grpc_load.once(setting.tools, setting.grpc_proxies["rerankd"], search, setting.folder)
    status, cache = metadata.get("x-rerank-status"), metadata.get("x-rerank-cache")
    if status != "applied" or cache != f"{HITS}/{HITS}":
        raise RuntimeError(f"not a search from the cache: {metadata}")
