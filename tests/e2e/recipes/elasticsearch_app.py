"""The recipe of docs/recipes.md for elasticsearch-py: the text as a header, or in `ext`."""

# --- recipe
from urllib.parse import quote


def search_with_header(client, index, text, query):
    return client.options(headers={"x-rerank-query": quote(text)}).search(index=index, query=query, size=5)


def search_with_ext(client, index, text, query):
    return client.search(index=index, query=query, size=5, ext={"rerank": {"query": text}})
# --- recipe
