"""OpenAI's SDK, with qdrant-client (REST and gRPC) and opensearch-py. It knows nothing of rerankd."""

from openai import OpenAI
from opensearchpy import OpenSearch
from qdrant_client import QdrantClient

from told import LIMIT, OPENSEARCH_URL, QDRANT_GRPC_PORT, QDRANT_URL, QUESTIONS, tell, tell_answer

client = OpenAI()
qdrant = QdrantClient(url=QDRANT_URL)
qdrant_grpc = QdrantClient(url=QDRANT_URL, grpc_port=QDRANT_GRPC_PORT, prefer_grpc=True)
opensearch = OpenSearch(OPENSEARCH_URL)


def embed(question):
    return client.embeddings.create(model="text-embedding-3-small", input=question).data[0].embedding


def answer(question):
    messages = [{"role": "user", "content": question}]
    chunks = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


for question in QUESTIONS:
    vector = embed(question)
    for name, database in ("REST", qdrant), ("gRPC", qdrant_grpc):
        points = database.query_points("demo", query=vector, limit=LIMIT).points
        tell(f"Qdrant, {name}", question, [point.payload["text"] for point in points])
    query = {"knn": {"embedding": {"vector": vector, "k": LIMIT}}}
    found = opensearch.search(index="passages", body={"size": LIMIT, "query": query})
    tell("OpenSearch", question, [hit["_source"]["content"] for hit in found["hits"]["hits"]])
tell_answer(answer(QUESTIONS[0]))
