"""Cohere's SDK, both its versions, with qdrant-client. It knows nothing of rerankd."""

import cohere
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell, tell_answer

asked = {"model": "embed-v4.0", "input_type": "search_query"}
client, client_v2 = cohere.Client(), cohere.ClientV2()
qdrant = QdrantClient(url=QDRANT_URL)


def search(vector):
    points = qdrant.query_points("demo", query=vector, limit=LIMIT).points
    return [point.payload["text"] for point in points]


for question in QUESTIONS:
    tell("v1", question, search(client.embed(texts=[question], **asked).embeddings[0]))
    found = client_v2.embed(texts=[question], embedding_types=["float", "int8"], **asked)
    tell("v2", question, search(found.embeddings.float_[0]))
events = client_v2.chat_stream(model="command-a-03-2025", messages=[{"role": "user", "content": QUESTIONS[0]}])
tell_answer("".join(event.delta.message.content.text for event in events if event.type == "content-delta"))
