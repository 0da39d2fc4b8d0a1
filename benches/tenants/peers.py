"""A database of fifty hits and a provider of constant latency, on loopback, with as little of HTTP as they need."""

import asyncio
import json
import socket
import sys

HITS = [{"id": n, "version": 0, "score": 1 - n / 100, "payload": {"text": f"giraffe {n}"}} for n in range(50)]


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message: its head, and its body by content-length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    return head, await reader.readexactly(length)


async def serve(answer) -> int:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                _, body = await message(reader)
                said = json.dumps(await answer(json.loads(body or b"{}"))).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(said) + said)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    serve.kept.append(server)
    return server.sockets[0].getsockname()[1]


serve.kept = []


async def database() -> int:
    async def answer(asked: dict) -> dict:
        return {"result": {"points": HITS[: asked.get("limit", 10)]}, "status": "ok", "time": 0.001}

    return await serve(answer)


async def provider(seconds: float) -> int:
    async def answer(asked: dict) -> dict:
        await asyncio.sleep(seconds)
        count = len(asked.get("documents", []))
        return {"results": [{"index": n, "relevance_score": n / 100} for n in range(count)]}

    return await serve(answer)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def accepting(port: int) -> None:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            return writer.close()
        except ConnectionError:
            await asyncio.sleep(0.05)
    raise SystemExit("rerankd did not start")


async def main() -> None:
    print(await database(), await provider(float(sys.argv[1])), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
