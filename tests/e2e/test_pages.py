"""docs/recipes.md quotes the recipes that these tests run, word for word; the README two of them."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RECIPES = sorted([*(HERE / "recipes").glob("*.py"), *(HERE / "recipes").glob("*.mjs")])
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
