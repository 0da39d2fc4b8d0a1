"""Memory over ten million searches (`--quick`: one million): of a bounded set of queries, and of queries that never come again."""

import statistics

from figures import Figure, Results, Table
from footprint import MIB, settled
from load import Request, run
from setting import Setting

# So many times the requests of the other long run.
TIMES = 10
# So many warm up: the cache fills, and the allocator finds its sizes. Of queries that never come again, the cache holds
# about 200,000.
WARM_UP = 400_000
SLICE = 10  # seconds between looks at the memory
QUERIES = 1000
# Small ones: the number of searches is what counts.
HITS, BYTES = 10, 100


def measure(setting: Setting, results: Results) -> None:
    searches = setting.requests * TIMES
    table = Table(
        f"Resident memory over {searches:,} searches of {HITS} hits, in MiB; {WARM_UP:,} before them warm up",
        ["queries", "after the warm-up", "lowest", "median", "highest", "at the end", "searches/s"],
    )
    results.tables.append(table)
    for what, texts in ((f"{QUERIES:,} queries", QUERIES), ("another query each time", 0)):
        setting.say(f"memory over {searches:,} searches: {what}")
        measure_one(setting, results, table, (what, searches), Request.search(HITS, texts, size=BYTES))


def measure_one(setting: Setting, results: Results, table: Table, about: tuple[str, int], request: Request) -> None:
    what, most = about
    rerankd = setting.rerankd(provider=setting.peer([setting.tools.provider], 0))

    def search(count: int) -> tuple[list[int], float]:
        sent, seconds, looks = 0, 0.0, []
        while sent < count:
            came = run(setting.tools.wrk, rerankd, request, 16, SLICE)
            sent, seconds = sent + came.requests, seconds + came.seconds
            looks.append(settled(rerankd))
        return looks, sent / seconds

    warm = search(WARM_UP)[0][-1]
    looks, rate = search(most)
    rerankd.stop()
    grown = max(abs(look - warm) for look in looks) / warm
    cells = (warm, min(looks), statistics.median(looks), max(looks), looks[-1])
    table.rows.append([what, *(f"{cell / MIB:.1f}" for cell in cells), f"{rate:,.0f}"])
    measured = f"{warm / MIB:.1f} MiB, then {min(looks) / MIB:.1f} to {max(looks) / MIB:.1f}"
    results.figures.append(
        Figure(f"memory over {most:,} searches: {what}", "flat within 2 %", measured, grown <= 0.02)
    )
