# The recipes of docs/recipes.md for LangChain, LlamaIndex and Haystack.

part_recipes() {
    tell "installing LangChain, LlamaIndex and Haystack" venv qdrant || return
    tell "docs/recipes.md quotes the recipes" check_python qdrant test_pages.py
    tell "starting a stand-in for Qdrant (no registry has the server)" serve_qdrant || return
    tell "LangChain, LlamaIndex and Haystack, stand-in for Qdrant" check_python qdrant test_recipes.py
}
