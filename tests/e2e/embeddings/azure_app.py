"""OpenAI's SDK with a resource at Azure, with qdrant-client. It knows nothing of rerankd."""

from openai import AzureOpenAI
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell

client = AzureOpenAI()
qdrant = QdrantClient(url=QDRANT_URL)

for question in QUESTIONS:
    vector = client.embeddings.create(model="text-embedding-3-small", input=question).data[0].embedding
    points = qdrant.query_points("demo", query=vector, limit=LIMIT).points
    tell("Qdrant", question, [point.payload["text"] for point in points])
