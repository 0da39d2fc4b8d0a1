"""The searches of `../README.md` with qdrant-client, asynchronous, over gRPC."""

import asyncio
import json
import os
from contextlib import nullcontext

import grpc
from qdrant_client import models

# --- recipe
from urllib.parse import quote

from qdrant_client import AsyncQdrantClient, context_headers


def connect(port, grpc_port):
    return AsyncQdrantClient(host="127.0.0.1", port=port, grpc_port=grpc_port, prefer_grpc=True)


def asking(text):
    """Within this context the searches are reranked for `text`."""
    return context_headers.async_headers({"x-rerank-query": quote(text)})


async def search(client, collection, vector, limit):
    return (await client.query_points(collection, query=vector, limit=limit)).points


# --- recipe


async def filtered(client, collection, vector, topic):
    condition = models.FieldCondition(key="topic", match=models.MatchValue(value=topic))
    query_filter = models.Filter(must=[condition])
    return (await client.query_points(collection, query=vector, query_filter=query_filter, limit=4)).points


async def batch(client, collection, vector):
    searches = [
        models.QueryRequest(query=vector, limit=4, with_payload=True),
        models.QueryRequest(query=vector, limit=3, offset=2, with_payload=True),
    ]
    return await client.query_batch_points(collection, searches)


async def groups(client, collection, vector):
    found = await client.query_points_groups(collection, group_by="topic", query=vector, limit=3, group_size=3)
    return found.groups


def ids(points):
    return [point.id for point in points]


async def show(search, call):
    """One line for each search: its ids in their order, or the status that it ended with."""
    try:
        print(json.dumps({"search": search, **await call()}))
    except grpc.RpcError as error:
        print(json.dumps({"search": search, "code": error.code().value[0], "message": error.details()}))


async def main():
    collection, topic = os.environ["COLLECTION"], os.environ["TOPIC"]
    vector = [float(one) for one in os.environ["VECTOR"].split(",")]
    text = os.environ.get("QUERY_TEXT")
    client = connect(int(os.environ["QDRANT_PORT"]), int(os.environ["QDRANT_GRPC_PORT"]))

    async def plain():
        return {"ids": ids(await search(client, collection, vector, 5))}

    async def of_topic():
        return {"ids": ids(await filtered(client, collection, vector, topic))}

    async def both():
        return {"ids": [ids(one.points) for one in await batch(client, collection, vector)]}

    async def grouped():
        return {"ids": [[one.id, ids(one.hits)] for one in await groups(client, collection, vector)]}

    async def unknown():
        return {"ids": ids(await search(client, "missing", vector, 5))}

    async with asking(text) if text else nullcontext():
        await show("plain", plain)
        await show("filtered", of_topic)
        await show("batch", both)
        await show("groups", grouped)
        await show("unknown", unknown)


if __name__ == "__main__":
    asyncio.run(main())
