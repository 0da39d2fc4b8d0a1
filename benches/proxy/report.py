"""Results for people (text or Markdown) and for programs (JSON)."""

import dataclasses
import datetime
import json
import os
import platform
import re
from pathlib import Path

from figures import Results, Table

MET = {True: "yes", False: "**no**", None: ""}


def machine(workers: int, versions: dict[str, str]) -> dict[str, str]:
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "date": datetime.date.today().isoformat(),
        "CPU": model[1] if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "workers each": str(workers),
        **versions,
    }


def tables(results: Results) -> list[Table]:
    columns = ["what", "to reach", "measured", "met"]
    rows = [[each.what, each.target, each.measured, MET[each.met]] for each in results.figures]
    if any(each.before for each in results.figures):
        columns.insert(2, "before")
        for cells, each in zip(rows, results.figures, strict=True):
            cells.insert(2, each.before)
    return [Table("Figures", columns, rows), *results.tables]


def markdown(about: dict[str, str], results: Results) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in about.items()) + "."]
    for table in tables(results):
        lines += ["", f"{table.title}:", "", row(table.columns), row(["---"] * len(table.columns))]
        lines += [row(cells) for cells in table.rows]
    return "\n".join(lines)


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def text(about: dict[str, str], results: Results) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in about.items())]
    for table in tables(results):
        rows = [table.columns, *([cell.replace("**", "") for cell in cells] for cells in table.rows)]
        widths = [max(len(cells[n]) for cells in rows) for n in range(len(table.columns))]
        lines += ["", table.title]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() for cells in rows]
    return "\n".join(lines)


def as_json(about: dict[str, str], results: Results) -> str:
    return json.dumps({"about": about, **dataclasses.asdict(results)}, ensure_ascii=False, indent=1)
