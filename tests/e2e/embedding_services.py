"""Stand-ins for OpenAI (also at Azure), Cohere, Gemini, Ollama and TEI, on one port. They are NOT those services: tests
cannot reach them.

They answer in the documented shapes, with the vectors of `toy_embedding.py`: embeddings, chat as it is streamed, OpenAI's files
and realtime websocket, and Cohere's rerank as `cohere_standin.py` has it, with its `/control` and `/score`. Beside that:

    GET  /seen               {"calls": [[path, key]...], "queries": [...], "texts": [[...]...], "documents": [[...]...]}
                             what came since the last time
    POST /release            lets the next event of a chat with the model `step-by-step` go
    POST /v1/raw             {"length", "sha256", "headers": [[name, value]...]} of the request, whatever it is

    embedding_services.py [PORT]

Prints `embedding-services http://127.0.0.1:PORT` and ends when its standard input closes.
"""

import base64
import gzip
import hashlib
import json
import os
import re
import struct
import sys
import threading
from http.server import ThreadingHTTPServer
from urllib.parse import unquote

import tiktoken

import cohere_standin
from toy_embedding import DIMENSIONS, embed

TOKENS = tiktoken.get_encoding("cl100k_base")
STEP_SECONDS = 20
"""How long a chat waits to be told to go on."""
WORDS = "Saddle height first , then the cleats .".split(" ")
"""What every chat answers."""


class Noted:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.steps = threading.Semaphore(0)
        self.uploaded = b""
        self.forget()

    def forget(self) -> None:
        self.calls: list[list[str]] = []
        self.queries: list[str] = []
        self.texts: list[list[str]] = []
        self.documents: list[list[str]] = []

    def told(self) -> dict:
        with self.lock:
            told = {"calls": self.calls, "queries": self.queries, "texts": self.texts, "documents": self.documents}
            self.forget()
            return told


NOTED = Noted()


def texts_of(value: object) -> list[str]:
    """OpenAI's `input`: a text, texts, the ids of a text, or those of several."""
    if isinstance(value, str):
        return [value]
    if value and isinstance(value[0], int):
        return [TOKENS.decode(value)]
    return [one if isinstance(one, str) else TOKENS.decode(one) for one in value]


def numbers(vector) -> list[float]:
    """The shortest digits that give the same float32, as most services print."""
    return [float(str(one)) for one in vector]


def openai(body: dict) -> tuple[list[str], dict]:
    texts = texts_of(body["input"])
    as_bytes = body.get("encoding_format") == "base64"
    vectors = [base64.b64encode(embed(text).tobytes()).decode() if as_bytes else numbers(embed(text)) for text in texts]
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return texts, {"object": "list", "data": data, "model": body["model"], "usage": usage}


def cohere_v1(body: dict) -> tuple[list[str], dict]:
    texts, vectors = cohere(body)
    types = body.get("embedding_types")
    embeddings = {"float": vectors} if types else vectors
    kind = "embeddings_by_type" if types else "embeddings_floats"
    return texts, {"id": "e1", "texts": texts, "embeddings": embeddings, "meta": meta("1"), "response_type": kind}


def cohere_v2(body: dict) -> tuple[list[str], dict]:
    texts, vectors = cohere(body)
    embeddings = {"float": vectors}
    if "int8" in body.get("embedding_types", ()):
        embeddings["int8"] = [[round(one * 127) for one in vector] for vector in vectors]
    return texts, {"id": "e1", "texts": texts, "embeddings": embeddings, "meta": meta("2"), "response_type": "embeddings_by_type"}


def cohere(body: dict) -> tuple[list[str], list[list[float]]]:
    texts = body.get("texts") or [one["content"][0]["text"] for one in body["inputs"]]
    return texts, [numbers(embed(text)) for text in texts]


def meta(version: str) -> dict:
    return {"api_version": {"version": version}, "billed_units": {"input_tokens": 3}}


def gemini(body: dict) -> tuple[list[str], dict]:
    texts = [one["content"]["parts"][0]["text"] for one in body["requests"]]
    return texts, {"embeddings": [{"values": numbers(embed(text))} for text in texts]}


def ollama(body: dict) -> tuple[list[str], dict]:
    texts = texts_of(body["input"])
    vectors = [numbers(embed(text)) for text in texts]
    return texts, {"model": body["model"], "embeddings": vectors, "total_duration": 14143917, "prompt_eval_count": 8}


def tei(body: dict) -> tuple[list[str], list]:
    texts = texts_of(body["inputs"])
    return texts, [numbers(embed(text)) for text in texts]


EMBEDDING = [
    (re.compile(r"/v1/embeddings|/openai/deployments/[^/]+/embeddings"), openai),
    (re.compile(r"/v1/embed"), cohere_v1),
    (re.compile(r"/v2/embed"), cohere_v2),
    (re.compile(r"/v1(beta)?/models/[^/]+:batchEmbedContents"), gemini),
    (re.compile(r"/api/embed"), ollama),
    (re.compile(r"/"), tei),
]


def openai_events() -> list[bytes]:
    def chunk(delta: dict, reason: str | None) -> dict:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}

    chunks = [chunk({"role": "assistant", "content": word + " "}, None) for word in WORDS] + [chunk({}, "stop")]
    return [b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks] + [b"data: [DONE]\n\n"]


def cohere_events() -> list[bytes]:
    def event(kind: str, **members: object) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()

    deltas = [event("content-delta", index=0, delta={"message": {"content": {"text": word + " "}}}) for word in WORDS]
    start = event("message-start", id="c1", delta={"message": {"role": "assistant"}})
    return [start, *deltas, event("message-end", id="c1", delta={"finish_reason": "COMPLETE"}), b"data: [DONE]\n\n"]


def cohere_answer(body: dict, documents: list[dict]) -> dict:
    """Answers with the sentence that has most of the question's words, and says which document has it."""
    with NOTED.lock:
        NOTED.documents.append([document["data"]["text"] for document in documents])
    question = body["messages"][-1]["content"]
    sentences = [(one, document) for document in documents for one in re.split(r"(?<=[.!?])\s+", document["data"]["text"])]
    best, source = max(sentences, key=lambda pair: cohere_standin.score(question, pair[0]))
    sources = [{"type": "document", "id": source["id"], "document": source["data"]}]
    citation = {"start": 0, "end": len(best), "text": best, "sources": sources, "type": "TEXT_CONTENT", "content_index": 0}
    message = {"role": "assistant", "content": [{"type": "text", "text": best}], "citations": [citation]}
    tokens = {"input_tokens": 9, "output_tokens": 9}
    return {"id": "c1", "finish_reason": "COMPLETE", "message": message, "usage": {"billed_units": tokens, "tokens": tokens}}


def gemini_events() -> list[bytes]:
    parts = [{"candidates": [{"content": {"parts": [{"text": word + " "}], "role": "model"}}]} for word in WORDS]
    return [b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in parts]


def ollama_events() -> list[bytes]:
    lines = [{"model": "m", "message": {"role": "assistant", "content": word + " "}, "done": False} for word in WORDS]
    end = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    return [json.dumps(one).encode() + b"\n" for one in [*lines, end]]


CHAT = [
    (re.compile(r"/v1/chat/completions"), "text/event-stream", openai_events),
    (re.compile(r"/v2/chat"), "text/event-stream", cohere_events),
    (re.compile(r"/v1(beta)?/models/[^/]+:streamGenerateContent"), "text/event-stream", gemini_events),
    (re.compile(r"/api/chat"), "application/x-ndjson", ollama_events),
]


def matching(table: list, path: str):
    return next((rest for pattern, *rest in table if pattern.fullmatch(path)), None)


class Handler(cohere_standin.Handler):
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/seen":
            return self.response(200, NOTED.told())
        if self.headers.get("upgrade", "").lower() == "websocket":
            return self.echo()
        if self.path.startswith("/v1/files/"):
            return self.send_bytes("application/octet-stream", NOTED.uploaded)
        super().do_GET()

    def do_POST(self) -> None:
        path = unquote(self.path.split("?")[0])
        embedding, chat = matching(EMBEDDING, path), matching(CHAT, path)
        if path == "/release":
            self.whole_body()
            NOTED.steps.release()
            return self.response(200, {})
        if embedding or chat or path in {"/v1/files", "/v1/raw"}:
            with NOTED.lock:
                NOTED.calls.append([path, self.key()])
        if embedding:
            self.embeddings(embedding[0])
        elif chat:
            self.chat(*chat)
        elif path == "/v1/files":
            self.upload()
        elif path == "/v1/raw":
            data = self.whole_body()
            headers = [[name, value] for name, value in self.headers.items()]
            self.response(200, {"length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "headers": headers})
        else:
            super().do_POST()

    def key(self) -> str:
        headers = self.headers
        own = headers.get("x-goog-api-key") or headers.get("api-key")
        return own or headers.get("authorization", "").removeprefix("Bearer ")

    def rerank(self, body: object) -> None:
        with NOTED.lock:
            NOTED.queries.append(body.get("query"))
        self.top_n = body.pop("top_n", None)
        super().rerank(body)

    def response(self, status: int, body: object) -> None:
        """Also for an application that asks for the best few, which rerankd itself never does."""
        if isinstance(body, dict) and "results" in body:
            body["results"] = body["results"][: self.top_n]
        super().response(status, body)

    def whole_body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline() not in {b"\r\n", b"\n", b""}:
            pass
        return b"".join(parts)

    def embeddings(self, answer) -> None:
        """Compressed for whoever accepts it, as a service does."""
        texts, body = answer(json.loads(self.whole_body()))
        with NOTED.lock:
            NOTED.texts.append(texts)
        self.send_bytes("application/json", json.dumps(body, indent=2).encode(), "gzip" in self.headers.get("accept-encoding", ""))

    def send_bytes(self, kind: str, data: bytes, compressed: bool = False) -> None:
        data = gzip.compress(data, 1) if compressed else data
        self.send_response(200)
        self.send_header("content-type", kind)
        if compressed:
            self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chat(self, kind: str, events) -> None:
        body = json.loads(self.whole_body())
        if documents := body.get("documents"):
            return self.send_bytes("application/json", json.dumps(cohere_answer(body, documents)).encode())
        waits = body.get("model") == "step-by-step"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events():
            if waits and not NOTED.steps.acquire(timeout=STEP_SECONDS):
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def upload(self) -> None:
        """OpenAI's: a form, whose file is the part with a file name."""
        data = self.whole_body()
        boundary = b"--" + re.search(r'boundary="?([^";]+)', self.headers["content-type"])[1].encode()
        start = data.index(b"\r\n\r\n", data.index(b"filename=")) + 4
        NOTED.uploaded = data[start : data.index(b"\r\n" + boundary, start)]
        told = {"id": "file-1", "object": "file", "bytes": len(NOTED.uploaded), "created_at": 1, "filename": "f", "purpose": "user_data"}
        self.response(200, told | {"status": "processed", "sha256": hashlib.sha256(NOTED.uploaded).hexdigest()})

    def echo(self) -> None:
        """A websocket that sends every message back, and the code of its end."""
        with NOTED.lock:
            NOTED.calls.append([self.path, self.key()])
        accept = hashlib.sha1(self.headers["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        while (frame := self.frame()) is not None:
            opcode, data = frame
            self.wfile.write(bytes([0x80 | opcode]) + frame_length(len(data)) + data)
            if opcode == 8:
                return

    def frame(self) -> tuple[int, bytes] | None:
        """One message that was not cut in pieces."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(self.rfile.read(2 if length == 126 else 8), "big")
        mask, data = self.rfile.read(4), self.rfile.read(length)
        key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        return head[0] & 0x0F, (int.from_bytes(data, "big") ^ key).to_bytes(length, "big")


def frame_length(length: int) -> bytes:
    if length < 126:
        return bytes([length])
    return b"\x7e" + struct.pack(">H", length) if length < 1 << 16 else b"\x7f" + struct.pack(">Q", length)


def main() -> None:
    assert embed("Bread goes STALE").tolist() == embed("bread, goes stale").tolist() and DIMENSIONS == 16
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"embedding-services http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
