"""docs/recipes.md and docs/clients.md quote the recipes that these tests run, word for word; the README two of them."""

from pathlib import Path
from textwrap import dedent

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RECIPES = sorted([*(HERE / "recipes").glob("*.py"), *(HERE / "recipes").glob("*.mjs")])
CLIENTS = sorted(path for path in (HERE / "clients").rglob("*") if path.suffix in {".py", ".go", ".java", ".mjs", ".rs"})
IN_THE_README = ["elasticsearch_app.py", "qdrant_app.py"]


def quoted(path: Path) -> str:
    marker = {".py": "# --- recipe\n", ".mjs": "// --- recipe\n"}[path.suffix]
    _, recipe, _ = path.read_text().split(marker)
    return recipe.strip("\n")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_page_quotes(path):
    assert quoted(path) in (ROOT / "docs/recipes.md").read_text(), f"{path.name} is not quoted as it is tested"


@pytest.mark.parametrize("name", IN_THE_README)
def test_the_readme_quotes(name):
    assert quoted(HERE / "recipes" / name) in (ROOT / "README.md").read_text(), f"{name} is not quoted as it is tested"


def quoted_parts(path: Path) -> list[str]:
    """What stands between two lines with the marker."""
    lines = path.read_text().splitlines()
    marks = [at for at, line in enumerate(lines) if line.strip() in {"# --- recipe", "// --- recipe"}]
    parts = [lines[start + 1 : end] for start, end in zip(marks[::2], marks[1::2], strict=True)]
    return [dedent("\n".join(part)).strip("\n") for part in parts]


@pytest.mark.parametrize("path", [path for path in CLIENTS if quoted_parts(path)], ids=lambda path: path.name)
def test_the_clients_page_quotes(path):
    for part in quoted_parts(path):
        assert f"\n{part}\n```" in (ROOT / "docs/clients.md").read_text(), f"{path.name} is not quoted as it is tested"
