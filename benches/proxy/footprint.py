"""Memory: idle, per connection, after many requests, with a full cache. Start-up. Size of the binary."""

import os
import re
import shutil
import socket
import statistics
import subprocess
import time

from figures import Figure, Results, Table
from load import Request, ask, run
from process import Process
from proxies import Rerankd
from setting import Setting

MIB = 2**20
CACHE = 64 * MIB  # the default of cache.max_bytes
STALLED = 32


def measure(setting: Setting, results: Results) -> None:
    size_of_binary(setting, results)
    start_to_ready(setting, results)
    per_connection(setting, results)
    idle = idle_memory(setting, results)
    many_requests(setting, results)
    full_cache(setting, results, idle)


def size_of_binary(setting: Setting, results: Results) -> None:
    copy = setting.folder / "stripped"
    shutil.copy(setting.tools.rerankd, copy)
    subprocess.run(["strip", copy], check=True)
    size = os.path.getsize(copy) / MIB
    results.figures.append(Figure("release binary, stripped", "≤ 15 MiB", f"{size:.1f} MiB", size <= 15))


def start_to_ready(setting: Setting, results: Results) -> None:
    setting.say("start to ready")
    took = []
    for _ in range(10):
        rerankd = Started(setting)
        took.append(rerankd.ready_after * 1000)
        rerankd.stop()
    median = statistics.median(took)
    measured = f"{median:.0f} ms ({min(took):.0f} to {max(took):.0f})"
    results.figures.append(Figure("start to ready", "≤ 50 ms", measured, median <= 50))


class Started(Rerankd):
    """Knows how long it took from the start of the process to a 200 of /readyz."""

    def __init__(self, setting: Setting):
        self.began = time.monotonic()
        ports = setting.database.port, setting.grpc_database.port, setting.provider.port
        super().__init__(setting.tools.rerankd, setting.folder, *ports)

    def wait(self, patience: float = 20) -> None:
        while time.monotonic() < self.began + patience:
            try:
                if ask(self.admin, Request("/readyz"))[0].status == 200:
                    self.ready_after = time.monotonic() - self.began
                    return
            except OSError:
                time.sleep(0.0005)
        raise RuntimeError(f"not ready:\n{self.log.read_text()}")


def per_connection(setting: Setting, results: Results) -> None:
    """Clients that ask and do not read, so that whatever a proxy holds for them it has to hold."""
    setting.say("memory per connection")
    table = Table(
        f"Memory of {STALLED} connections whose clients do not read, each: growth of a fresh process's resident set",
        ["proxy", "10 MB responses", "100 MB responses"],
    )
    for name in setting.proxies:
        grown = [stalled(setting, name, Request.bytes(size)) for size in (10_000_000, 100_000_000)]
        table.rows.append([name, *(f"{bytes_ / 1024:,.0f} KiB" for bytes_ in grown)])
        if name == "rerankd":
            measured = f"{grown[0] / 1024:,.0f} KiB with 10 MB, {grown[1] / 1024:,.0f} KiB with 100 MB"
            alike = grown[1] <= grown[0] + 64 * 1024
            results.figures.append(
                Figure("memory per connection, by size of response", "independent", measured, alike)
            )
    results.tables.append(table)


def stalled(setting: Setting, name: str, request: Request) -> float:
    proxy = setting.rerankd() if name == "rerankd" else setting.another(name)
    ask(proxy.port, Request.bytes(200))
    before = settled(proxy)
    clients = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(STALLED)]
    for client in clients:
        client.sendall(f"GET {request.target} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    grown = settled(proxy) - before
    for client in clients:
        client.close()
    proxy.stop()
    return grown / STALLED


def settled(proxy: Process) -> int:
    """Memory once it no longer changes."""
    last = -1
    for _ in range(20):
        now = proxy.memory()
        if abs(now - last) < 64 * 1024:
            return now
        last = now
        time.sleep(0.25)
    return last


def idle_memory(setting: Setting, results: Results) -> int:
    setting.say("idle memory")
    rerankd = setting.rerankd()
    time.sleep(1)
    idle, shared = rerankd.memory(), rerankd.proportional()
    rerankd.stop()
    table = Table("Memory of the proxies after all runs", ["proxy", "VmRSS", "VmHWM", "PSS"])
    for name, proxy in setting.proxies.items():
        numbers = (proxy.memory(), proxy.memory("VmHWM"), proxy.proportional())
        table.rows.append([name, *(f"{number / MIB:.1f} MiB" for number in numbers)])
    results.tables.append(table)
    measured = f"{idle / MIB:.1f} MiB (PSS {shared / MIB:.1f})"
    results.figures.append(Figure("idle memory", "≤ 15 MiB", measured, idle <= 15 * MIB))
    return idle


def many_requests(setting: Setting, results: Results) -> None:
    """Small responses, large ones, searches from the cache. Half as many as are counted warm up: until then the allocator
    still finds its sizes, and buffers of connections grow to what they are used for."""
    count = setting.requests
    setting.say(f"memory after {count:,} requests")
    rerankd = setting.rerankd()
    small, large, search = (Request.bytes(200), 64), (Request.bytes(100_000), 16), (Request.search(50, 4), 16)
    mixture = [large, search, small, small]
    sent, warm = 0, None
    while warm is None or sent < warm[1] + count:
        for request, connections in mixture:
            sent += run(setting.tools.wrk, rerankd, request, connections, 2).requests
        if warm is None and sent >= count / 2:
            warm = (settled(rerankd), sent)
    end = settled(rerankd)
    rerankd.stop()
    measured = f"{warm[0] / MIB:.1f} MiB after {warm[1]:,}, {end / MIB:.1f} MiB after {sent:,}"
    results.figures.append(
        Figure(f"memory after {count:,} requests more", "no growth after warm-up", measured, end <= warm[0] + MIB)
    )


def full_cache(setting: Setting, results: Results, idle: int) -> None:
    """50 scores a query, as searches have by default: what a query takes besides is shared among them."""
    setting.say("memory with a full cache")
    rerankd = setting.rerankd(provider=setting.peer([setting.tools.provider], 0))
    request = Request.search(50, 0, size=100)
    before = entries = 0
    # Until nothing more goes in, and once more: what is thrown out must not stay in memory.
    while entries == 0 or entries > before * 1.001:
        before = entries
        run(setting.tools.wrk, rerankd, request, 8, 2)
        entries = metric(rerankd, "rerankd_cache_entries")
    run(setting.tools.wrk, rerankd, request, 8, 2)
    full, counted = settled(rerankd), metric(rerankd, "rerankd_cache_bytes")
    rerankd.stop()
    most = CACHE * 1.25 + idle
    each = (full - idle) / entries
    measured = (
        f"{full / MIB:.1f} MiB with {entries:,.0f} scores, {each:.1f} bytes resident each, "
        f"{counted / entries:.1f} counted"
    )
    target = f"≤ 64 MiB × 1.25 + idle = {most / MIB:.1f} MiB"
    results.figures.append(Figure("memory with a full cache of 64 MiB", target, measured, full <= most))
    share = f"{each:.1f} bytes ({entries / 1e6:.2f} million scores)"
    results.figures.append(
        Figure("resident memory per cached score, full cache, 50 scores a query", "≤ 24 bytes", share, each <= 24)
    )


def metric(rerankd: Rerankd, name: str) -> float:
    text = ask(rerankd.admin, Request("/metrics"))[1].decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])
