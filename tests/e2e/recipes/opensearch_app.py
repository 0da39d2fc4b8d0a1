"""The recipe of docs/recipes.md for opensearch-py: the text as a header, or in `ext`."""

# --- recipe
from urllib.parse import quote


def search_with_header(client, index, text, query):
    headers = {"x-rerank-query": quote(text)}
    return client.search(index=index, body={"query": query, "size": 5}, headers=headers)


def search_with_ext(client, index, text, query):
    body = {"query": query, "size": 5, "ext": {"rerank": {"query": text}}}
    return client.search(index=index, body=body)
# --- recipe
