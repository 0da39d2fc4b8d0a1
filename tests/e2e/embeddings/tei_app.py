"""Hugging Face's client for a server of one's own (TEI), with qdrant-client. It knows nothing of rerankd."""

import os

from huggingface_hub import InferenceClient
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell

client = InferenceClient(os.environ["TEI_URL"], token=os.environ["TEI_TOKEN"])
qdrant = QdrantClient(url=QDRANT_URL)

for question in QUESTIONS:
    vector = client.feature_extraction(question)[0]
    points = qdrant.query_points("demo", query=vector, limit=LIMIT).points
    tell("Qdrant", question, [point.payload["text"] for point in points])
