"""Ollama's SDK, with qdrant-client. It knows nothing of rerankd."""

import ollama
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell, tell_answer

qdrant = QdrantClient(url=QDRANT_URL)

for question in QUESTIONS:
    for name, asked in ("a text", question), ("a list of one", [question]):
        embedded = ollama.embed(model="nomic-embed-text", input=asked)
        points = qdrant.query_points("demo", query=embedded.embeddings[0], limit=LIMIT).points
        tell(name, question, [point.payload["text"] for point in points])
messages = [{"role": "user", "content": QUESTIONS[0]}]
chunks = ollama.chat(model="llama3.2", messages=messages, stream=True)
tell_answer("".join(chunk.message.content for chunk in chunks))
