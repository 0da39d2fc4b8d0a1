"""A stand-in for a domain of Amazon OpenSearch Service. It is NOT AWS: it takes only signed requests, which it verifies with
botocore, AWS's own signer, over what came; and it answers searches with the documents of `corpus.py`, in their own order.

    aws_standin.py [PORT]

Prints `aws-standin http://127.0.0.1:PORT` and ends when its standard input closes. `GET /_standin` (unsigned) tells of the last request.
"""

import hashlib
import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import corpus

SECRETS = {
    "AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",  # rerankd's, of AWS's own examples
    "AKIDOFCLIENT": "client/K7MDENG+bPxRfiCYEXAMPLEKEYclientkey",
}
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
last: dict = {}


def verified(method: str, target: str, headers, body: bytes) -> tuple[str, str, str]:
    """The key's id, service and region of a request whose signature is right; raises ValueError."""
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not match or len(headers.get_all("authorization")) > 1:
        raise ValueError("Missing Authentication Token")
    key, day, region, service, names, signature = match.groups()
    date = headers.get("x-amz-date", "")
    if not date.startswith(day):
        raise ValueError("Credential should be scoped to the day of the request")
    if headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
        raise ValueError("The hash of the body is another one")
    signed = {name: headers[name] for name in names.split(";")}
    if "host" not in signed or "x-amz-date" not in signed or ("x-amz-security-token" in headers) != ("x-amz-security-token" in signed):
        raise ValueError("'Host', 'X-Amz-Date' and a token must be signed headers")
    request = AWSRequest(method=method, url=f"http://{headers['host']}{target}", data=body, headers=signed)
    request.context["timestamp"] = date
    auth = SigV4Auth(Credentials(key, SECRETS.get(key, "")), service, region)
    if auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request) != signature:
        raise ValueError("The request signature we calculated does not match the signature you provided.")
    return key, service, region


def found(target: str, body: bytes) -> dict:
    asked = json.loads(body or b"{}")
    query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    first, size = (int(query.get(name, asked.get(name, default))) for name, default in (("from", 0), ("size", 10)))
    documents = list(corpus.documents().items())
    hits = [
        {"_index": "notes", "_id": id, "_score": 9 - place / 100, "_source": source}
        for place, (id, source) in enumerate(documents[first : first + size])
    ]
    return {
        "took": 1,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": len(documents), "relation": "eq"}, "max_score": 9.0, "hits": hits},
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        if self.path == "/_standin":
            return self.send(200, last)
        try:
            key, service, region = verified(self.command, self.path, self.headers, body)
        except (ValueError, KeyError) as error:
            return self.send(403, {"message": str(error)})
        last.update(key=key, service=service, region=region, target=self.path, headers=dict(self.headers.items()))
        if "/_search" in self.path:
            return self.send(200, found(self.path, body))
        if self.path.split("?")[0].endswith("/_bulk"):
            return self.send(200, {"took": 1, "errors": False, "items": []})
        self.send(200, {"acknowledged": True})

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

    def send(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"aws-standin http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
