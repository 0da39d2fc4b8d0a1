"""Google's SDK (Gemini), with qdrant-client. It knows nothing of rerankd."""

from google import genai
from google.genai.types import EmbedContentConfig
from qdrant_client import QdrantClient

from told import LIMIT, QDRANT_URL, QUESTIONS, tell, tell_answer

client = genai.Client()
qdrant = QdrantClient(url=QDRANT_URL)

for question in QUESTIONS:
    for task in "RETRIEVAL_QUERY", None:
        config = EmbedContentConfig(task_type=task)
        embedded = client.models.embed_content(model="gemini-embedding-001", contents=question, config=config)
        points = qdrant.query_points("demo", query=embedded.embeddings[0].values, limit=LIMIT).points
        tell(task or "no task type", question, [point.payload["text"] for point in points])
chunks = client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTIONS[0])
tell_answer("".join(chunk.text for chunk in chunks))
