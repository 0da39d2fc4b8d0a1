"""LiteLLM, with qdrant-client. It knows nothing of rerankd."""

import litellm
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell

qdrant = QdrantClient(url=QDRANT_URL)

for question in QUESTIONS:
    vector = litellm.embedding(model="openai/text-embedding-3-small", input=[question]).data[0]["embedding"]
    points = qdrant.query_points("demo", query=vector, limit=LIMIT).points
    tell("Qdrant", question, [point.payload["text"] for point in points])
