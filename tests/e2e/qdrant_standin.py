"""A stand-in for a Qdrant server: qdrant-client's own local mode behind a few REST paths.

It is NOT Qdrant: no package registry has the server. The responses' contents are computed by the client library's local
mode, which its authors keep like the server's; the wire is made here, after captures of the real one. It serves what the
clients and the framework recipes call, and rejects the rest with 404.

Prints `qdrant-standin http://127.0.0.1:PORT` and ends when its standard input closes.
"""

import json
import os
import re
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models
from qdrant_client.local import local_collection

warnings.filterwarnings("ignore")

library_distance = local_collection.calculate_distance


def steady_distance(query, vectors, distance):
    """The library's, on copies: it normalises the stored vectors in place, so that the same search again would score
    otherwise in the last digits. A database does not."""
    scores = library_distance(query.astype(np.float64), vectors.astype(np.float64), distance)
    return np.round(scores, 6)


local_collection.calculate_distance = steady_distance

LOCK = threading.Lock()
SEEN: list[str] = []
"""Names of rerankd's own headers and members that reached this server since `GET /seen` last told: none may."""
database = QdrantClient(":memory:")


class Rejected(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def search(collection: str, request: dict) -> models.QueryResponse:
    asked = models.QueryRequest.model_validate(request)
    return database.query_points(
        collection,
        query=asked.query,
        using=asked.using,
        prefetch=asked.prefetch,
        query_filter=asked.filter,
        search_params=asked.params,
        limit=10 if asked.limit is None else asked.limit,
        offset=asked.offset,
        with_payload=asked.with_payload or False,
        with_vectors=asked.with_vector or False,
        score_threshold=asked.score_threshold,
        lookup_from=asked.lookup_from,
    )


def groups(collection: str, request: dict) -> models.GroupsResult:
    asked = models.QueryGroupsRequest.model_validate(request)
    return database.query_points_groups(
        collection,
        group_by=asked.group_by,
        query=asked.query,
        using=asked.using,
        query_filter=asked.filter,
        limit=asked.limit or 10,
        group_size=asked.group_size or 3,
        with_payload=asked.with_payload or False,
        with_vectors=asked.with_vector or False,
        score_threshold=asked.score_threshold,
    )


def upsert(collection: str, request: dict) -> models.UpdateResult:
    if "batch" in request:
        points = models.Batch.model_validate(request["batch"])
    else:
        points = TypeAdapter(list[models.PointStruct]).validate_python(request["points"])
    return database.upsert(collection, points)


def create(collection: str, request: dict) -> bool:
    asked = models.CreateCollection.model_validate(request)
    return database.create_collection(
        collection, vectors_config=asked.vectors, sparse_vectors_config=asked.sparse_vectors
    )


def delete(collection: str, request: dict) -> models.UpdateResult:
    selector = TypeAdapter(models.PointsSelector).validate_python(request)
    return database.delete(collection, selector)


def retrieve(collection: str, request: dict) -> list[models.Record]:
    return database.retrieve(
        collection,
        request["ids"],
        with_payload=request.get("with_payload") or False,
        with_vectors=request.get("with_vector") or False,
    )


def scroll(collection: str, request: dict) -> dict:
    asked = models.ScrollRequest.model_validate(request)
    records, following = database.scroll(
        collection,
        scroll_filter=asked.filter,
        limit=asked.limit or 10,
        offset=asked.offset,
        with_payload=True if asked.with_payload is None else asked.with_payload,
        with_vectors=asked.with_vector or False,
    )
    return {"points": plain(records), "next_page_offset": plain(following)}


def count(collection: str, request: dict) -> models.CountResult:
    wanted = models.CountRequest.model_validate(request)
    return database.count(collection, count_filter=wanted.filter)


def batch(collection: str, request: dict) -> list[models.QueryResponse]:
    return [search(collection, one) for one in request["searches"]]


ON_COLLECTION = {
    ("PUT", ""): create,
    ("GET", ""): lambda name, _: database.get_collection(name),
    ("DELETE", ""): lambda name, _: database.delete_collection(name),
    ("GET", "/exists"): lambda name, _: {"exists": database.collection_exists(name)},
    ("PUT", "/index"): lambda name, _: {"operation_id": 1, "status": "completed"},
    ("PUT", "/points"): upsert,
    ("POST", "/points"): retrieve,
    ("POST", "/points/delete"): delete,
    ("POST", "/points/scroll"): scroll,
    ("POST", "/points/count"): count,
    ("POST", "/points/query"): search,
    ("POST", "/points/query/batch"): batch,
    ("POST", "/points/query/groups"): groups,
}


def handle(method: str, path: str, body: bytes) -> object:
    if (method, path) == ("GET", "/"):
        return None
    if (method, path) == ("GET", "/collections"):
        return plain(database.get_collections())
    found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
    serve = ON_COLLECTION.get((method, found[2] or "")) if found else None
    if serve is None:
        raise Rejected(404, f"this stand-in does not serve {method} {path}")
    request = json.loads(body) if body else {}
    if isinstance(request, dict) and "rerank" in request:
        SEEN.append("body member rerank")
    name = unquote(found[1])
    if (method, found[2] or "") not in {("PUT", ""), ("GET", "/exists")} and not database.collection_exists(name):
        raise Rejected(404, f"Not found: Collection `{name}` doesn't exist!")
    return plain(serve(name, request))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def serve(self) -> None:
        started = time.monotonic()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        if path == "/seen":
            seen, SEEN[:] = list(SEEN), []
            return self.response(200, seen)
        SEEN.extend(name for name in self.headers if name.lower().startswith("x-rerank"))
        try:
            with LOCK:
                result = handle(self.command, path, body)
        except Rejected as rejected:
            return self.response(rejected.status, {"status": {"error": str(rejected)}, "time": 0.0})
        except (ValueError, KeyError) as wrong:
            return self.response(400, {"status": {"error": f"Wrong input: {wrong}"}, "time": 0.0})
        if result is None:
            return self.response(200, {"title": "qdrant - vector search engine", "version": "1.18.0", "commit": "standin"})
        self.response(200, {"result": result, "status": "ok", "time": time.monotonic() - started})

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def response(self, status: int, body: object) -> None:
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"qdrant-standin http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
