"""Interleaved rounds, and what they come to: medians of ratios within a round, with their spread."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from load import Run


@dataclass
class Ratio:
    """The median over the rounds, and the lowest and highest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


OURS = ("rerankd", "before")  # this build, and an earlier one


class Rounds:
    """Every contestant's runs, one a round."""

    def __init__(self, runs: dict[str, list[Run]]):
        self.runs = runs

    @classmethod
    def play(cls, contestants: dict[str, Callable[[], Run]], count: int) -> "Rounds":
        """A B C, then B C A, and so on: what slows the machine down for a while slows all of them down."""
        runs: dict[str, list[Run]] = {name: [] for name in contestants}
        names = list(contestants)
        for turn in range(count):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                runs[name].append(contestants[name]())
        return cls(runs)

    def median(self, name: str, what: Callable[[Run], float]) -> float:
        return statistics.median(what(run) for run in self.runs[name])

    def ratio(self, name: str, other: str, what: Callable[[Run], float]) -> Ratio:
        """How the one does against the other in the same round."""
        return ratio([what(a) / what(b) for a, b in zip(self.runs[name], self.runs[other], strict=True)])

    def difference(self, name: str, other: str, what: Callable[[Run], float]) -> Ratio:
        """The same, by subtraction."""
        return ratio([what(a) - what(b) for a, b in zip(self.runs[name], self.runs[other], strict=True)])

    def worst_ratio(self, name: str, what: Callable[[Run], float], more_is_better: bool) -> tuple[Ratio, str]:
        """The ratio to the contestant against which it does worst: to the best of them."""
        ratios = [(self.ratio(name, other, what), other) for other in self.runs if other not in OURS]
        choose = min if more_is_better else max
        return choose(ratios, key=lambda found: found[0].median)

    def before(self, measured: Callable[[str], object]) -> str:
        """What the earlier build came to, where there is one."""
        return str(measured("before")) if "before" in self.runs else ""


def ratio(values: list[float]) -> Ratio:
    return Ratio(statistics.median(values), min(values), max(values))
