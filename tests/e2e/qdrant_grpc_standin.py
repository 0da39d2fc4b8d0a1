"""A stand-in for Qdrant over gRPC: responses of a real Qdrant 1.19.0, recorded, and the same points for what was not.

It is NOT Qdrant: no package registry has the server. A search that was recorded (`tests/fixtures/qdrant-1.19-grpc`) gets
the recorded message, byte for byte; any other is computed here by cosine over the 60 points of that folder, which
`test_grpc.py` holds to the recordings. Serves Query, QueryBatch, QueryGroups, Search, what was recorded of Discover, the
list of collections and HealthCheck, and rejects the rest with UNIMPLEMENTED. Compresses nothing: this library's server would do so for clients that cannot read it.

On the REST port:

    GET /           what Python's client asks for the version
    GET /seen       names of rerankd's own metadata that reached this server since the last time: none may
    GET /replayed   names of the recorded responses that were given since the last time

Prints `qdrant-grpc-standin http://127.0.0.1:PORT` and `qdrant-grpc-standin-grpc http://127.0.0.1:PORT`, and ends when its
standard input closes.
"""

import gzip
import json
import os
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import grpc
import numpy as np
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import json_to_value

FIXTURES = Path(__file__).parent.parent / "fixtures" / "qdrant-1.19-grpc"
VERSION = {"title": "qdrant - vector search engine", "version": "1.19.0", "commit": "standin"}
COLLECTION = "t_pass"
BY_UUID = "t_uuid"
"""The same points by UUIDs made of their numbers: Spring AI reads no others."""
POINTS = [json.loads(line) for line in (FIXTURES / "points.ndjson").read_text().splitlines()]
VECTORS = np.array([point["vector"] for point in POINTS], dtype=np.float32)
TOLD: dict[str, list[str]] = {"/seen": [], "/replayed": []}

REQUESTS = {
    "Query": messages.QueryPoints,
    "QueryGroups": messages.QueryPointGroups,
    "Search": messages.SearchPoints,
    "Discover": messages.DiscoverPoints,
}
ANSWERS = {"Query": messages.QueryResponse, "Search": messages.SearchResponse, "QueryGroups": messages.QueryGroupsResponse}


class Rejected(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = next(one for one in grpc.StatusCode if one.value[0] == code)


class Recorded:
    """An exchange of the real server."""

    def __init__(self, path: Path):
        exchange = json.loads(path.read_text())
        self.name, self.method = exchange["name"], exchange["path"].split("/")[-1]
        self.request = path.with_suffix(".request.bin").read_bytes()
        response = exchange["response"]
        self.code = response["grpc_status"]
        self.error = unquote(response["grpc_message_percent_encoded"] or "")
        message = path.with_suffix(".response.bin").read_bytes()
        self.message = gzip.decompress(message) if response["compressed_flag"] else message

    def is_computed(self) -> bool:
        """Whether it could also be computed: a search by a vector."""
        return self.method in ANSWERS and "document" not in self.name and "order-by" not in self.name

    def vector(self) -> list[float]:
        return messages.QueryPoints.FromString(self.request).query.nearest.dense.data


RECORDED = [Recorded(path) for path in sorted(FIXTURES.glob("*.json"))]


def asked(method: str, data: bytes):
    """The request as a message, without what says nothing about the hits: how long they may take, and that no vectors are
    wanted, which some clients write and others leave out."""
    request = REQUESTS[method].FromString(data)
    request.ClearField("timeout")
    if request.with_vectors == messages.WithVectorsSelector(enable=False):
        request.ClearField("with_vectors")
    return request


def answer(path: str, data: bytes) -> bytes:
    if path == "/qdrant.Qdrant/HealthCheck":
        return messages.HealthCheckReply(title=VERSION["title"], version=VERSION["version"]).SerializeToString()
    if path == "/qdrant.Collections/List":
        here = messages.CollectionDescription(name=COLLECTION)
        return messages.ListCollectionsResponse(collections=[here]).SerializeToString()
    method = path.removeprefix("/qdrant.Points/")
    if method == "QueryBatch":
        return batch(messages.QueryBatchPoints.FromString(data))
    if method not in REQUESTS:
        raise Rejected(12, f"this stand-in does not serve {path}")
    request = asked(method, data)
    return recorded(method, request) or computed(method, request).SerializeToString()


def recorded(method: str, request) -> bytes | None:
    for one in RECORDED:
        if one.method == method and asked(method, one.request) == request:
            TOLD["/replayed"].append(one.name)
            if one.code:
                raise Rejected(one.code, one.error)
            return one.message
    return None


def computed(method: str, request):
    if method not in ANSWERS:
        raise Rejected(12, f"this stand-in serves only what was recorded of {method}")
    if request.collection_name not in {COLLECTION, BY_UUID}:
        raise Rejected(5, f"Not found: Collection `{request.collection_name}` doesn't exist!")
    if method == "QueryGroups":
        return groups(request)
    return ANSWERS[method](result=page(request), time=0.001)


def batch(request) -> bytes:
    response = messages.QueryBatchResponse(time=0.001)
    for one in request.query_points:
        one.collection_name = request.collection_name
        points = messages.QueryResponse.FromString(answer("/qdrant.Points/Query", one.SerializeToString())).result
        response.result.append(messages.BatchResult(result=points))
    return response.SerializeToString()


def groups(request):
    limit, size = request.limit or 10, request.group_size or 3
    members: dict[str, list] = {}
    for place, score in ranked(request):
        name = POINTS[place]["payload"].get(request.group_by)
        if name is None or (name not in members and len(members) == limit):
            continue
        group = members.setdefault(name, [])
        if len(group) < size:
            group.append(hit(place, score, request))
    found = [
        messages.PointGroup(id=messages.GroupId(string_value=name), hits=hits) for name, hits in members.items()
    ]
    return messages.QueryGroupsResponse(result=messages.GroupsResult(groups=found), time=0.001)


def page(request) -> list:
    is_search = isinstance(request, messages.SearchPoints)  # its limit is always there
    limit = request.limit if is_search or request.HasField("limit") else 10
    return [hit(place, score, request) for place, score in ranked(request)[request.offset :][:limit]]


def ranked(request) -> list[tuple[int, float]]:
    """Places in POINTS with their scores, nearest first; only what the filter and the threshold let through."""
    scores = VECTORS @ unit(vector_of(request)) / np.linalg.norm(VECTORS, axis=1)
    threshold = request.score_threshold if request.HasField("score_threshold") else -np.inf
    found = [
        (place, float(score))
        for place, score in enumerate(scores)
        if score >= threshold and passes(POINTS[place]["payload"], request.filter)
    ]
    return sorted(found, key=lambda one: -one[1])


def vector_of(request) -> list[float]:
    if isinstance(request, messages.SearchPoints):
        return request.vector
    nearest = request.query.nearest
    if not nearest.HasField("dense"):
        raise Rejected(3, "this stand-in searches by dense vectors only")
    return nearest.dense.data


def unit(vector) -> np.ndarray:
    array = np.array(vector, dtype=np.float32)
    if array.shape != VECTORS.shape[1:]:
        raise Rejected(3, f"Wrong input: Vector dimension error: expected dim: {VECTORS.shape[1]}, got {array.size}")
    return array / np.linalg.norm(array)


def passes(payload: dict, wanted) -> bool:
    """`must` with a keyword each: what the clients of these tests ask for."""
    if wanted.should or wanted.must_not:
        raise Rejected(3, "this stand-in filters by `must` only")
    return all(payload.get(one.field.key) == one.field.match.keyword for one in wanted.must)


def hit(place: int, score: float, request):
    point = POINTS[place]
    shown = {name: json_to_value(value) for name, value in selected(point["payload"], request.with_payload).items()}
    return messages.ScoredPoint(id=point_id(point["id"], request), payload=shown, score=score, version=1)


def point_id(number: int, request):
    if request.collection_name == BY_UUID:
        return messages.PointId(uuid=str(uuid.UUID(int=number)))
    return messages.PointId(num=number)


def selected(payload: dict, selector) -> dict:
    variant = selector.WhichOneof("selector_options")
    if variant == "include":
        return {name: value for name, value in payload.items() if name in selector.include.fields}
    if variant == "exclude":
        return {name: value for name, value in payload.items() if name not in selector.exclude.fields}
    return payload if variant and selector.enable else {}


class Everything(grpc.GenericRpcHandler):
    """Bytes in, bytes out: nothing but this file decides what a message holds."""

    def service(self, call):
        path = call.method
        TOLD["/seen"].extend(name for name, _ in call.invocation_metadata if name.startswith("x-rerank"))

        def serve(data: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return answer(path, data)
            except Rejected as rejected:
                context.abort(rejected.code, str(rejected))

        return grpc.unary_unary_rpc_method_handler(serve)


class Rest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        known: dict[str, object] = {"/": VERSION}
        if self.path in TOLD:
            known[self.path], TOLD[self.path] = TOLD[self.path], []
        data = json.dumps(known.get(self.path)).encode()
        self.send_response(200 if self.path in known else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    rest = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    rest.daemon_threads = True
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[Everything()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"qdrant-grpc-standin http://127.0.0.1:{rest.server_address[1]}", flush=True)
    print(f"qdrant-grpc-standin-grpc http://127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
