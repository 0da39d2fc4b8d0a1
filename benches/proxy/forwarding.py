"""Requests that are passed on unread, through each proxy in turn."""

from figures import Figure, Results, Table
from load import Request, run
from rounds import Rounds
from setting import Setting

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
        speed, best = rounds.worst_ratio("rerankd", lambda run: run.per_second, more_is_better=True)
        add_rows(table, what, rounds, lambda run: run.per_second, lambda rate: f"{rate:,.0f} /s")
        results.figures.append(
            Figure(f"{what}: requests/s", "≥ 1.0 of the best (≥ 0.9)", f"{speed} of {best}", speed.median >= 0.9)
        )
        late, best = rounds.worst_ratio("rerankd", lambda run: run.p99, more_is_better=False)
        results.figures.append(Figure(f"{what}: p99", "no worse", f"{late} of {best}", late.median <= 1.05))
    for request, size, connections in LARGE:
        what = f"responses of {size}, {connections} connections"
        rounds = play(setting, what, request, connections)
        speed, best = rounds.worst_ratio("rerankd", lambda run: run.bytes_per_second, more_is_better=True)
        add_rows(table, what, rounds, lambda run: run.bytes_per_second, lambda rate: f"{rate / 1e6:,.0f} MB/s")
        results.figures.append(
            Figure(f"{what}: bytes/s", "≥ 1.0 of the best (≥ 0.9)", f"{speed} of {best}", speed.median >= 0.9)
        )


def play(setting: Setting, what: str, request: Request, connections: int) -> Rounds:
    setting.say(what)

    def contestant(proxy):
        return lambda: run(setting.tools.wrk, proxy, request, connections, setting.seconds)

    return Rounds.play({name: contestant(proxy) for name, proxy in setting.proxies.items()}, setting.rounds)


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
