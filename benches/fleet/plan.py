"""What is run, and for how long."""

import sys
from dataclasses import dataclass

from model import Times
from workload import Workload


@dataclass(frozen=True)
class Plan:
    programs: dict[str, str]
    workload: Workload
    times: Times
    pause: float  # seconds that a part is away, and that it has been back

    def say(self, what: str) -> None:
        print(f"… {what}", file=sys.stderr, flush=True)
