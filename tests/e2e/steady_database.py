"""A database that always has the same 200 points, to be killed and brought back. It is NOT Qdrant: it answers
`POST /collections/docs/points/query` in Qdrant's shape, as fast as it can, and knows nothing else.

    steady_database.py [PORT]

Prints `steady-database http://127.0.0.1:PORT` and ends when its standard input closes.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POINTS = [{"id": n, "version": 0, "score": 1 - n / 1000} for n in range(200)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        first = asked.get("offset") or 0
        points = POINTS[first : first + asked.get("limit", 10)]
        if asked.get("with_payload"):
            points = [{**point, "payload": {"text": f"passage {point['id']}"}} for point in points]
        data = json.dumps({"result": {"points": points}, "status": "ok", "time": 0.001}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"steady-database http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
