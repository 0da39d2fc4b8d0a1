"""What was measured, as rows of tables."""

from dataclasses import dataclass, field


@dataclass
class Figure:
    """One figure to reach. `met` is None where nothing was promised."""

    what: str
    target: str
    measured: str
    met: bool | None = None
    before: str = ""  # what the build that is compared with came to in the same rounds


@dataclass
class Table:
    """Beside the figures: what each contestant did."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Results:
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
