"""LangChain over OpenAI's embeddings as they are by default (token ids), with Qdrant and OpenSearch. It knows nothing of
rerankd."""

import warnings

from langchain_community.vectorstores import OpenSearchVectorSearch
from langchain_openai import OpenAIEmbeddings
from langchain_qdrant import QdrantVectorStore

from told import LIMIT, OPENSEARCH_URL, QDRANT_URL, QUESTIONS, tell

warnings.filterwarnings("ignore")
embeddings = OpenAIEmbeddings()
qdrant = QdrantVectorStore.from_existing_collection("demo", embeddings, url=QDRANT_URL, content_payload_key="text")
retriever = qdrant.as_retriever(search_kwargs={"k": LIMIT})
opensearch = OpenSearchVectorSearch(OPENSEARCH_URL, "passages", embeddings)
fields = {"vector_field": "embedding", "text_field": "content"}


def contents(documents):
    return [document.page_content for document in documents]


for question in QUESTIONS:
    tell("Qdrant", question, contents(retriever.invoke(question)))
    tell("OpenSearch", question, contents(opensearch.similarity_search(question, k=LIMIT, **fields)))
    scripted = opensearch.similarity_search(question, k=LIMIT, search_type="script_scoring", **fields)
    tell("OpenSearch, script", question, contents(scripted))
for question, documents in zip(QUESTIONS, retriever.batch(QUESTIONS), strict=True):
    tell("Qdrant, in a batch", question, contents(documents))
