"""Searches that are reranked: with every score cached, as hits grow, with nothing cached, and asked by many at once."""

import dataclasses
import statistics
import threading
from collections.abc import Callable

from figures import Figure, Results, Table
from forwarding import micros
from load import Request, Run, ask, run
from process import Process
from rounds import Ratio, Rounds, ratio
from setting import LATENCY, Setting

# Bytes of text in each hit, as they are called in the tables.
SIZES = {2000: "2 kB", 500: "500 B"}
QUERIES = 4  # repeated ones; all their scores are in the cache after a first time


def measure(setting: Setting, results: Results) -> None:
    cost_of_cached(setting, results, 2000, 1.7)
    latency_of_cached(setting, results)
    cost_of_cached(setting, results, 500, 2.4)
    cost_of_unranked(setting, results)
    growth(setting, results)
    capacity(setting, results)
    uncached(setting, results)
    coalescing(setting, results)
    sizing(setting, results)


def load(setting: Setting, server: Process, request: Request, connections: int):
    return lambda: run(setting.tools.wrk, server, request, connections, setting.seconds)


def warm(setting: Setting, request: Request) -> None:
    """Fills the cache, and sees to it that what is measured is what is meant."""
    for rerankd in (setting.proxies["rerankd"], *setting.before.values()):
        run(setting.tools.wrk, rerankd, request, 4, 1)
        for number in range(QUERIES):
            response, _ = ask(rerankd.port, request, f"again%20{number}")
            status, cache = response.headers["x-rerank-status"], response.headers["x-rerank-cache"]
            if status != "applied" or cache != f"{request.limit}/{request.limit}":
                raise RuntimeError(f"not a search from the cache: {status}, {cache}")


def cost_of_cached(setting: Setting, results: Results, size: int, most: float) -> None:
    setting.say(f"searches of 50 hits × {SIZES[size]} from the cache, 16 connections")
    request = Request.search(50, QUERIES, size)
    warm(setting, request)
    cost(setting, results, request, f"search, 50 hits × {SIZES[size]} from the cache: CPU", most)


def cost_of_unranked(setting: Setting, results: Results) -> None:
    """A search that its client wants in the database's order: nothing of it has to be read."""
    setting.say("searches of 50 hits × 500 B with x-rerank: off, 16 connections")
    request = dataclasses.replace(Request.search(50, QUERIES, 500), rerank="off")
    cost(setting, results, request, "search, 50 hits × 500 B, x-rerank: off: CPU", 1.2)


def cost(setting: Setting, results: Results, request: Request, what: str, most: float) -> None:
    proxies = {**setting.proxies, **setting.before}
    rounds = Rounds.play({name: load(setting, proxies[name], request, 16) for name in proxies}, setting.rounds)
    results.figures.append(to_nginx(what, most, rounds))
    table = Table(
        f"{what.removesuffix(': CPU')}: by rerankd, forwarded by the others; 16 connections",
        ["proxy", "requests/s", "p50", "p99", "CPU per request"],
    )
    for name in rounds.runs:
        medians = [rounds.median(name, what) for what in (lambda r: r.p50, lambda r: r.p99, lambda r: r.cpu)]
        rate = rounds.median(name, lambda run: run.per_second)
        table.rows.append([name, f"{rate:,.0f}", *map(micros, medians)])
    results.tables.append(table)


def to_nginx(what: str, most: float, rounds: Rounds) -> Figure:
    """The CPU of a search beside nginx's for forwarding the same bytes."""

    def cost(name: str) -> Ratio:
        return rounds.ratio(name, "nginx", lambda run: run.cpu)

    measured = cost("rerankd")
    return Figure(what, f"≤ {most} of nginx forwarding", str(measured), measured.median <= most, rounds.before(cost))


def latency_of_cached(setting: Setting, results: Results) -> None:
    setting.say("the same on one connection, and without a proxy")
    request = Request.search(50, QUERIES)
    rounds = against_direct(setting, request, ["nginx"])
    for percentile, at, most in (("p50", p50, 140), ("p99", p99, 250)):

        def added(name: str, at: Callable[[Run], float] = at) -> Ratio:
            return rounds.difference(name, "direct", at)

        measured = f"{in_micros(added('rerankd'))} (nginx forwarding: {added('nginx').median:.0f})"
        what = f"search, 50 hits × 2 kB from the cache, one connection: latency added, {percentile}"
        before = rounds.before(lambda name, added=added: in_micros(added(name)))
        results.figures.append(Figure(what, f"≤ {most} µs", measured, added("rerankd").median <= most, before))


def in_micros(added: Ratio) -> str:
    return f"{added.median:.0f} µs ({added.low:.0f} to {added.high:.0f})"


def growth(setting: Setting, results: Results) -> None:
    table = Table(
        "Cost as hits grow, all scores cached, 4 connections: CPU per request",
        ["hits × 2 kB", "rerankd", "rerankd per hit", "nginx forwarding", "nginx per hit"],
    )
    per_hit = {}
    for hits in (10, 50, 200):
        setting.say(f"searches of {hits} hits from the cache")
        request = Request.search(hits, QUERIES)
        warm(setting, request)
        contestants = {name: load(setting, setting.proxies[name], request, 4) for name in ("rerankd", "nginx")}
        rounds = Rounds.play(contestants, max(3, setting.rounds // 2))
        cpu = {name: rounds.median(name, lambda run: run.cpu) for name in contestants}
        per_hit[hits] = cpu["rerankd"] / hits
        cells = [f"{cpu[name] / part:,.{digits}f} µs" for name in cpu for part, digits in ((1, 0), (hits, 2))]
        table.rows.append([str(hits), *cells])
    results.tables.append(table)
    measured = " → ".join(f"{cost:.2f} µs" for cost in per_hit.values())
    linear = per_hit[50] <= per_hit[10] and per_hit[200] <= per_hit[50] * 1.1
    results.figures.append(Figure("10 → 50 → 200 hits: CPU per hit", "linear or better", measured, linear))


def uncached(setting: Setting, results: Results) -> None:
    setting.say(f"searches with nothing cached, a provider that takes {LATENCY // 1000} ms")
    rounds = against_direct(setting, Request.search(50, 0), [])

    def added(name: str) -> Ratio:
        return rounds.difference(name, "direct", p50)

    what = f"nothing cached, provider takes T = {LATENCY // 1000} ms: latency added, p50"
    met = added("rerankd").median - LATENCY <= 800
    measured, before = beyond_provider(added("rerankd")), rounds.before(lambda name: beyond_provider(added(name)))
    results.figures.append(Figure(what, "≤ T + 0.8 ms", measured, met, before))
    cost_of_uncached(setting, results)


def beyond_provider(added: Ratio) -> str:
    median, low, high = ((value - LATENCY) / 1000 for value in (added.median, added.low, added.high))
    return f"T + {median:.2f} ms ({low:.2f} to {high:.2f})"


def cost_of_uncached(setting: Setting, results: Results) -> None:
    """Beside the same search from the cache, and beside the earlier build, where there is one."""
    setting.say("the same over 16 connections, beside searches from the cache")
    new, again = Request.search(50, 0), Request.search(50, QUERIES)
    warm(setting, again)
    contestants = {"from the cache": load(setting, setting.proxies["rerankd"], again, 16)}
    for name, proxy in {"rerankd": setting.proxies["rerankd"], **setting.before}.items():
        contestants[name] = load(setting, proxy, new, 16)
    rounds = Rounds.play(contestants, setting.rounds)
    cost = rounds.ratio("rerankd", "from the cache", lambda run: run.cpu)
    median = rounds.median("rerankd", lambda run: run.cpu)
    what = "the same, 16 connections: CPU"
    measured = f"{micros(median)}, {cost} of a search from the cache"
    figure = Figure(what, "", measured)
    if setting.before:
        to_before = rounds.ratio("rerankd", "before", lambda run: run.cpu)
        figure.target, figure.met = "≤ 0.5 of before", to_before.median <= 0.5
        figure.measured = f"{to_before} of before; {measured}"
        figure.before = micros(rounds.median("before", lambda run: run.cpu))
    results.figures.append(figure)


def capacity(setting: Setting, results: Results) -> None:
    """The most searches a second with p99 within 50 ms, as connections double."""
    contestants = {"rerankd": setting.proxies["rerankd"], **setting.before}
    request = Request.search(50, QUERIES)
    warm(setting, request)
    setting.say("searches a second from the cache until p99 exceeds 50 ms")
    rates = [{name: within_50_ms(setting, proxy, request) for name, proxy in contestants.items()} for _ in range(3)]
    most = statistics.median(each["rerankd"] for each in rates)
    figure = Figure("the same: searches/s while p99 stays within 50 ms, two cores for everything", "", f"{most:,.0f}")
    if setting.before:
        gained = ratio([each["rerankd"] / each["before"] for each in rates])
        figure.target, figure.met = "≥ 1.5 of before", gained.median >= 1.5
        figure.measured = f"{gained} of before; {most:,.0f}"
        figure.before = f"{statistics.median(each['before'] for each in rates):,.0f}"
    results.figures.append(figure)


def within_50_ms(setting: Setting, proxy: Process, request: Request) -> float:
    best, connections = 0.0, 8
    while connections <= 1024:
        came = load(setting, proxy, request, connections)()
        if came.p99 > 50_000:
            break
        best, connections = max(best, came.per_second), connections * 2
    return best


def against_direct(setting: Setting, request: Request, others: list[str]) -> Rounds:
    servers = {"direct": setting.database, "rerankd": setting.proxies["rerankd"], **setting.before}
    servers.update({name: setting.proxies[name] for name in others})
    contestants = {name: load(setting, server, request, 1) for name, server in servers.items()}
    return Rounds.play(contestants, setting.rounds)


def p50(run: Run) -> float:
    return run.p50


def p99(run: Run) -> float:
    return run.p99


def coalescing(setting: Setting, results: Results) -> None:
    setting.say("64 clients with the same query")
    request, port = Request.search(50, 1), setting.proxies["rerankd"].port
    before = calls(setting.provider)
    start, statuses = threading.Barrier(64), []

    def client():
        start.wait()
        response, _ = ask(port, request, "all at once")
        statuses.append(response.headers["x-rerank-status"])

    clients = [threading.Thread(target=client) for _ in range(64)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    if statuses != ["applied"] * 64:
        raise RuntimeError(f"not all were reranked: {statuses}")
    made = calls(setting.provider) - before
    results.figures.append(Figure("64 clients, same query: provider calls", "1", str(made), made == 1))


def calls(provider: Process) -> int:
    return int(ask(provider.port, Request("/calls"))[1])


def sizing(setting: Setting, results: Results) -> None:
    """What docs/kubernetes.md says of CPU."""
    setting.say("CPU for 1,000 searches")
    kinds = {
        "every score from the provider": Request.search(50, 0),
        "every score from the cache": Request.search(50, QUERIES),
        "passed on without reranking": dataclasses.replace(Request.search(50, QUERIES), rerank="off"),
    }
    rerankd = setting.proxies["rerankd"]
    rounds = Rounds.play({kind: load(setting, rerankd, kinds[kind], 4) for kind in kinds}, 3)
    table = Table("CPU for 1,000 searches of 50 hits × 2 kB", ["search", "CPU"])
    for kind in kinds:
        table.rows.append([kind, f"{rounds.median(kind, lambda run: run.cpu) / 1000:.2f} s"])
    results.tables.append(table)
