"""The searches of `../README.md` with qdrant-client, synchronous, over gRPC."""

import json
import os
from contextlib import nullcontext

import grpc
from qdrant_client import models

# --- recipe
from urllib.parse import quote

from qdrant_client import QdrantClient, context_headers


def connect(port, grpc_port):
    return QdrantClient(host="127.0.0.1", port=port, grpc_port=grpc_port, prefer_grpc=True)


def asking(text):
    """Within this context the searches are reranked for `text`."""
    return context_headers.headers({"x-rerank-query": quote(text)})


def search(client, collection, vector, limit):
    return client.query_points(collection, query=vector, limit=limit).points


# --- recipe


def filtered(client, collection, vector, topic):
    condition = models.FieldCondition(key="topic", match=models.MatchValue(value=topic))
    return client.query_points(collection, query=vector, query_filter=models.Filter(must=[condition]), limit=4).points


def batch(client, collection, vector):
    searches = [
        models.QueryRequest(query=vector, limit=4, with_payload=True),
        models.QueryRequest(query=vector, limit=3, offset=2, with_payload=True),
    ]
    return client.query_batch_points(collection, searches)


def groups(client, collection, vector):
    return client.query_points_groups(collection, group_by="topic", query=vector, limit=3, group_size=3).groups


# --- recipe
from qdrant_client import grpc as messages


def search_with_status(client, collection, vector, limit):
    """The high-level calls hand out no metadata; those below them do."""
    request = messages.QueryPoints(
        collection_name=collection,
        query=messages.Query(nearest=messages.VectorInput(dense=messages.DenseVector(data=vector))),
        limit=limit,
        with_payload=messages.WithPayloadSelector(enable=True),
    )
    response, call = client.grpc_points.Query.with_call(request, timeout=5)
    return response.result, dict(call.initial_metadata()).get("x-rerank-status")


# --- recipe


def ids(points):
    return [point.id for point in points]


def show(search, call):
    """One line for each search: its ids in their order, or the status that it ended with."""
    try:
        print(json.dumps({"search": search, **call()}))
    except grpc.RpcError as error:
        print(json.dumps({"search": search, "code": error.code().value[0], "message": error.details()}))


def shown(client, collection, vector):
    points, status = search_with_status(client, collection, vector, 5)
    return {"ids": [point.id.num for point in points], "status": status}


def main():
    collection, topic = os.environ["COLLECTION"], os.environ["TOPIC"]
    vector = [float(one) for one in os.environ["VECTOR"].split(",")]
    text = os.environ.get("QUERY_TEXT")

    client = connect(int(os.environ["QDRANT_PORT"]), int(os.environ["QDRANT_GRPC_PORT"]))
    with asking(text) if text else nullcontext():
        show("plain", lambda: {"ids": ids(search(client, collection, vector, 5))})
        show("filtered", lambda: {"ids": ids(filtered(client, collection, vector, topic))})
        show("batch", lambda: {"ids": [ids(one.points) for one in batch(client, collection, vector)]})
        show("groups", lambda: {"ids": [[one.id, ids(one.hits)] for one in groups(client, collection, vector)]})
        show("shown", lambda: shown(client, collection, vector))
        show("unknown", lambda: {"ids": ids(search(client, "missing", vector, 5))})


if __name__ == "__main__":
    main()
