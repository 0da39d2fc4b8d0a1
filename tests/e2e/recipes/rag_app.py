"""The recipe of docs/recipes.md for answers from long documents. CO_API_URL is rerankd's rerank endpoint, OPENSEARCH_URL
where it listens before OpenSearch."""

# --- recipe
import os

import cohere
from opensearchpy import OpenSearch, helpers

co = cohere.ClientV2()  # CO_API_URL names rerankd's rerank endpoint, CO_API_KEY your own key
database = OpenSearch(os.environ["OPENSEARCH_URL"])


def embed(texts, input_type):
    embedded = co.embed(model="embed-v4.0", input_type=input_type, texts=texts, embedding_types=["float"])
    return embedded.embeddings.float_


def add(index, texts):
    vectors = embed(texts, "search_document")
    documents = [{"text": text, "vector": vector} for text, vector in zip(texts, vectors)]
    helpers.bulk(database, documents, index=index, refresh=True)


def passage(hit):
    """The part of the document that answers: all of it, where it was not cut."""
    text, part = hit["_source"]["text"].strip(), hit.get("rerank_passage")
    return text[part["offset"] :][: part["length"]] if part else text


def ask(index, question):
    [vector] = embed([question], "search_query")
    query = {"knn": {"vector": {"vector": vector, "k": 50}}}
    found = database.search(index=index, body={"query": query, "size": 3, "_source": ["text"]})
    told = found.get("rerank", {})
    if told.get("nothing_relevant"):
        return {"answer": "The documents do not say.", "confidence": told["confidence"]}
    sources = [{"id": hit["_id"], "data": {"text": passage(hit)}} for hit in found["hits"]["hits"]]
    messages = [{"role": "user", "content": question}]
    chat = co.chat(model="command-a-03-2025", messages=messages, documents=sources)
    cited = {source.id for one in chat.message.citations or [] for source in one.sources}
    return {"answer": chat.message.content[0].text, "confidence": told.get("confidence"), "cited": cited, "sources": sources}
# --- recipe
