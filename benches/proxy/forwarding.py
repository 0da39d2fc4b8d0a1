"""Requests that are passed on unread, through each proxy in turn."""

import statistics
from collections.abc import Callable

from figures import Figure, Results, Table
from load import Request, Run, run, times
from rounds import Ratio, Rounds
from setting import Setting

# Requests for a response in small pieces, and what none of them should take, in milliseconds.
PIECES, STALL = 300, 20
SMALL = Request.bytes(200)
LARGE = [(Request.bytes(100_000), "100 kB", 16), (Request.bytes(10_000_000), "10 MB", 4)]


def measure(setting: Setting, results: Results) -> None:
    table = Table(
        "Forwarding: median of all rounds; ratios are rerankd to that proxy in the same round",
        ["what", "proxy", "rate", "rerankd / it", "p50", "p99", "CPU per request"],
    )
    results.tables.append(table)
    for connections in (1, 16, 64):
        what = f"small responses, {connections} connection{'s' if connections > 1 else ''}"
        rounds = play(setting, what, SMALL, connections)
        add_rows(table, what, rounds, lambda run: run.per_second, lambda rate: f"{rate:,.0f} /s")
        results.figures += [
            as_fast_as_the_best(f"{what}: requests/s", rounds, lambda run: run.per_second),
            no_later_than_the_best(f"{what}: p99", rounds),
            as_cheap_as_nginx(f"{what}: CPU", rounds),
        ]
    for request, size, connections in LARGE:
        what = f"responses of {size}, {connections} connections"
        rounds = play(setting, what, request, connections)
        add_rows(table, what, rounds, lambda run: run.bytes_per_second, lambda rate: f"{rate / 1e6:,.0f} MB/s")
        results.figures.append(as_fast_as_the_best(f"{what}: bytes/s", rounds, lambda run: run.bytes_per_second))
    measure_pieces(setting, results)


def measure_pieces(setting: Setting, results: Results) -> None:
    """A database that writes a response in small pieces with Nagle's algorithm on holds the rest back until the first is
    acknowledged, which a kernel delays by 40 ms."""
    what = "responses in small pieces: stalls of 40 ms"
    setting.say(what)
    table = Table(f"{what}: {PIECES} requests, one after another", ["asked through", "over 20 ms", "p50", "longest"])
    results.tables.append(table)
    ports = {"nobody": setting.database.port, **{name: proxy.port for name, proxy in setting.proxies.items()}}
    stalls = {}
    for name, port in ports.items():
        taken = times(port, "/pieces", PIECES)
        stalls[name] = sum(time > STALL for time in taken)
        p50, longest = statistics.median(taken), max(taken)
        table.rows.append([name, str(stalls[name]), f"{p50:.2f} ms", f"{longest:.2f} ms"])
    said = f"{stalls['rerankd']} (direct {stalls['nobody']})"
    results.figures.append(Figure(what, f"0 of {PIECES}", said, stalls["rerankd"] == 0))


def as_fast_as_the_best(what: str, rounds: Rounds, rate: Callable[[Run], float]) -> Figure:
    """As the one against which it does worst."""

    def against_best(name: str) -> tuple[Ratio, str]:
        return rounds.worst_ratio(name, rate, more_is_better=True)

    speed, best = against_best("rerankd")
    before = rounds.before(lambda name: "{} of {}".format(*against_best(name)))
    return Figure(what, "≥ 1.0 of the best", f"{speed} of {best}", speed.median >= 1, before)


def no_later_than_the_best(what: str, rounds: Rounds) -> Figure:
    def against_best(name: str) -> tuple[Ratio, str]:
        return rounds.worst_ratio(name, lambda run: run.p99, more_is_better=False)

    late, best = against_best("rerankd")
    before = rounds.before(lambda name: "{} of {}".format(*against_best(name)))
    return Figure(what, "no worse", f"{late} of {best}", late.median <= 1.05, before)


def as_cheap_as_nginx(what: str, rounds: Rounds) -> Figure:
    def cost(name: str) -> Ratio:
        return rounds.ratio(name, "nginx", lambda run: run.cpu)

    return Figure(what, "≤ 1.05 of nginx", str(cost("rerankd")), cost("rerankd").median <= 1.05, rounds.before(cost))


def play(setting: Setting, what: str, request: Request, connections: int) -> Rounds:
    setting.say(what)

    def contestant(proxy):
        return lambda: run(setting.tools.wrk, proxy, request, connections, setting.seconds)

    proxies = {**setting.proxies, **setting.before}
    return Rounds.play({name: contestant(proxy) for name, proxy in proxies.items()}, setting.rounds)


def add_rows(table: Table, what: str, rounds: Rounds, rate, shown) -> None:
    for name in rounds.runs:
        table.rows.append(
            [
                what,
                name,
                shown(rounds.median(name, rate)),
                "" if name == "rerankd" else str(rounds.ratio("rerankd", name, rate)),
                micros(rounds.median(name, lambda run: run.p50)),
                micros(rounds.median(name, lambda run: run.p99)),
                micros(rounds.median(name, lambda run: run.cpu)),
            ]
        )


def micros(value: float) -> str:
    return f"{value / 1000:,.2f} ms" if value >= 10_000 else f"{value:,.0f} µs"
