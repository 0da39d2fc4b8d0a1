"""Embedding calls and chats that pass through to an application's service: rerankd's listener for those, beside nginx."""

import json
import re
import subprocess

import load
from figures import Figure, Results, Table
from forwarding import micros
from load import Request, Run
from process import Process, free_port
from proxies import Rerankd, nginx
from rounds import Ratio, Rounds
from setting import Setting

EVENTS, EVERY = 250, 2_000  # of a chat; microseconds between two
FORMS = {"base64": "base64, as OpenAI's SDKs ask for", "float": "digits"}


class Listening(Rerankd):
    """rerankd, reached at its listener for embedding services."""

    def __init__(self, setting: Setting, service: Process):
        embeddings = free_port()
        config = f"""
embeddings:
  listen: 127.0.0.1:{embeddings}
  services: {{ openai: {{ url: "http://127.0.0.1:{service.port}/v1" }} }}
"""
        ports = setting.database.port, setting.grpc_database.port, setting.provider.port
        super().__init__(setting.tools, setting.folder, *ports, config)
        self.port = embeddings

    def remembered(self) -> int:
        """So many calls, and all of them but those that wrk broke off at the end of its time."""
        said = load.ask(self.admin, Request("/metrics"))[1].decode()
        counts = re.findall(r'^rerankd_embedding_calls_total\{.*result="(\w+)".*\} (\d+)$', said, re.M)
        other = {result: int(count) for result, count in counts if result not in {"remembered", "broken"} and int(count)}
        if other:
            raise RuntimeError(f"not every call was remembered: {other}")
        return sum(int(count) for _, count in counts)


def measure(setting: Setting, results: Results) -> None:
    service = setting.peer([setting.tools.service], EVENTS, EVERY)
    rerankd = setting.stack.enter_context(Listening(setting, service))
    other = setting.stack.enter_context(nginx(setting.tools, setting.folder, service.port, setting.workers))
    servers = {"direct": service, "rerankd": rerankd, "nginx": other}
    for form in FORMS:
        calls(setting, results, servers, form)
    chats(setting, results, servers)


def target(name: str, path: str) -> str:
    return path if name == "direct" else f"/openai{path}"


def calls(setting: Setting, results: Results, servers: dict[str, Process], form: str) -> None:
    what = f"embedding call, one text, 1,536 dimensions, {FORMS[form]}"
    setting.say(what)

    def contestant(name: str, connections: int):
        request = Request.embedding(target(name, "/v1/embeddings"), form)
        return lambda: load.run(setting.tools.wrk, servers[name], request, connections, setting.seconds)

    before = servers["rerankd"].remembered()
    alone = Rounds.play({name: contestant(name, 1) for name in servers}, setting.rounds)
    many = Rounds.play({name: contestant(name, 16) for name in ("rerankd", "nginx")}, setting.rounds)
    asked = sum(run.requests for rounds in (alone, many) for run in rounds.runs["rerankd"])
    if servers["rerankd"].remembered() - before < asked:
        raise RuntimeError("not every call was remembered")
    added, others = (alone.difference(name, "direct", p50) for name in ("rerankd", "nginx"))
    measured = f"{spread(added)} µs (nginx: {others.median:.0f})"
    results.figures.append(Figure(f"{what}: latency added, p50", "≤ 150 µs", measured, added.median <= 150))
    cost = many.ratio("rerankd", "nginx", lambda run: run.cpu)
    results.figures.append(Figure("the same, 16 connections: CPU", "≤ 1.3 of nginx", str(cost), cost.median <= 1.3))
    table = Table(f"{what}, passed on to a service in the clear", ["connections", "through", "calls/s", "p50", "p99", "CPU per call"])
    for connections, rounds in ((1, alone), (16, many)):
        for name in rounds.runs:
            rate = rounds.median(name, lambda run: run.per_second)
            shown = [micros(rounds.median(name, what)) for what in (p50, p99, lambda run: run.cpu)]
            table.rows.append([str(connections), name, f"{rate:,.0f}", *shown])
    results.tables.append(table)


def chats(setting: Setting, results: Results, servers: dict[str, Process]) -> None:
    what = f"chat, an event every {EVERY / 1000:.0f} ms"
    setting.say(what)

    def contestant(name: str):
        return lambda: listen(setting.tools.listener, servers[name], target(name, "/v1/chat/completions"), setting.seconds)

    rounds = Rounds.play({name: contestant(name) for name in servers}, setting.rounds)
    added, others = (rounds.difference(name, "direct", p50) for name in ("rerankd", "nginx"))
    more = rounds.difference("rerankd", "nginx", p50)
    measured = f"{spread(added)} µs (nginx: {spread(others)})"
    results.figures.append(Figure(f"{what}: delay added to an event, p50", "nginx's, give or take 20 µs", measured, more.median <= 20))
    table = Table(f"{what}: from its being written to its being read", ["through", "p50", "p99", "CPU per event"])
    for name in rounds.runs:
        table.rows.append([name, *(micros(rounds.median(name, what)) for what in (p50, p99, lambda run: run.cpu))])
    results.tables.append(table)


def listen(listener: str, server: Process, path: str, seconds: float) -> Run:
    before = server.cpu()
    command = [listener, str(server.port), path, str(seconds)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = Run(**json.loads(said))
    result.cpu = (server.cpu() - before) * 1e6 / result.requests
    return result


def p50(run: Run) -> float:
    return run.p50


def p99(run: Run) -> float:
    return run.p99


def spread(added: Ratio) -> str:
    return f"{added.median:.0f} ({added.low:.0f} to {added.high:.0f})"
