"""The README quotes the recipes that these tests run, word for word."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
README = HERE.parent.parent / "README.md"
RECIPES = sorted([*(HERE / "recipes").glob("*.py"), *(HERE / "recipes").glob("*.mjs")])


def quoted(path: Path) -> str:
    marker = {".py": "# --- recipe\n", ".mjs": "// --- recipe\n"}[path.suffix]
    _, recipe, _ = path.read_text().split(marker)
    return recipe.strip("\n")


@pytest.mark.skipif(not README.exists(), reason="there is no README.md yet")
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_readme_quotes(path):
    assert quoted(path) in README.read_text(), f"README.md does not quote {path.name} as it is tested"
