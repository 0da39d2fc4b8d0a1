"""The chain of many articles with Cohere's SDK alone: embed, search, rerank, answer. It knows nothing of rerankd."""

import cohere
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell, tell_answer

client = cohere.ClientV2()
qdrant = QdrantClient(url=QDRANT_URL)

for question in QUESTIONS:
    embedded = client.embed(texts=[question], model="embed-v4.0", input_type="search_query", embedding_types=["float"])
    points = qdrant.query_points("demo", query=embedded.embeddings.float_[0], limit=50).points
    texts = [point.payload["text"] for point in points]
    tell("found", question, texts[:LIMIT])
    reranked = client.rerank(model="rerank-v3.5", query=question, documents=texts, top_n=LIMIT)
    tell("reranked", question, [texts[result.index] for result in reranked.results])
events = client.chat_stream(model="command-a-03-2025", messages=[{"role": "user", "content": QUESTIONS[0]}])
tell_answer("".join(event.delta.message.content.text for event in events if event.type == "content-delta"))
