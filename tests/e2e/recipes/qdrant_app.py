"""The recipe of docs/recipes.md for qdrant-client (1.18 or newer)."""

# --- recipe
from urllib.parse import quote

from qdrant_client import QdrantClient, context_headers


def search(client: QdrantClient, collection, text, vector, limit):
    with context_headers.headers({"x-rerank-query": quote(text)}):
        return client.query_points(collection, query=vector, limit=limit).points
# --- recipe
