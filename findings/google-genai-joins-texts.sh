#!/usr/bin/env bash
# google-genai 3.6.1 (PyPI): a list of texts gives one vector for each text, or a single one for all of them together, by the
# model's name.
#
# `embed_content(contents=[a, b])` is one call of `batchEmbedContents` in both cases. For gemini-embedding-001 it holds a
# request for each text. For gemini-embedding-2 it holds one request whose content has both texts as parts, so one vector
# comes back: no error, and a program that pairs texts with vectors by `zip` stores the mixture for the first and nothing for
# the others. One would expect a list to mean the same for every model of one method. Whoever watches such calls cannot
# take the number of texts for the number of vectors.
source "$(dirname "$0")/lib.sh"

pip_install google-genai==3.6.1
cat >"$tmp/run.py" <<'PY'
import http.server
import json
import sys
import threading

from google import genai
from google.genai import types

seen = []


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seen.append([[part["text"] for part in request["content"]["parts"]] for request in body["requests"]])
        answer = json.dumps({"embeddings": [{"values": [0.5, 0.25]} for _ in body["requests"]]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = genai.Client(api_key="key", http_options=types.HttpOptions(base_url=url))
answer = client.models.embed_content(model=sys.argv[1], contents=["north", "south"])
print(seen[0], len(answer.embeddings))
PY
saw version "google-genai $("$tmp/venv/bin/python" -c 'import google.genai; print(google.genai.__version__)')"
is 'gemini-embedding-001, two texts: parts of each request, and vectors' \
    "$("$tmp/venv/bin/python" "$tmp/run.py" gemini-embedding-001)" "[['north'], ['south']] 2"
is 'gemini-embedding-2, the same two texts' \
    "$("$tmp/venv/bin/python" "$tmp/run.py" gemini-embedding-2)" "[['north', 'south']] 1"
