#!/usr/bin/env bash
# grpcio 1.85.3: a server made with `compression=grpc.Compression.Gzip` compresses also for a client whose
# `grpc-accept-encoding` names only `identity`, or that sends none.
#
# The header is there so that a server knows what its client can read. Clients that cannot read gzip fail each call:
# grpc-go without its gzip package says INTERNAL, "Decompressor is not installed", and tonic without its feature
# UNIMPLEMENTED. grpcio's own client reads it, so that tests in Python alone do not show it.
source "$(dirname "$0")/lib.sh"

pip_install grpcio==1.85.3 h2==4.4.1
cat >"$tmp/run.py" <<'PY'
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import grpc
import h2.config
import h2.connection
import h2.events


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(lambda data, context: b"one " * 100)


server = grpc.server(ThreadPoolExecutor(1), handlers=[Echo()], compression=grpc.Compression.Gzip)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(version("grpcio"))
for offered in [[("grpc-accept-encoding", "gzip")], [("grpc-accept-encoding", "identity")], []]:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    fixed = {":method": "POST", ":scheme": "http", ":path": "/a/b", ":authority": "localhost"}
    fixed |= {"content-type": "application/grpc", "te": "trailers"}
    connection.send_headers(1, [*fixed.items(), *offered])
    connection.send_data(1, bytes(5), end_stream=True)
    headers, data, is_open = {}, b"", True
    with socket.create_connection(("127.0.0.1", port)) as client:
        while is_open:
            client.sendall(connection.data_to_send())
            for event in connection.receive_data(client.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    headers = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    data += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    is_open = False
    print(headers.get("grpc-encoding", "none"), "flag", data[0])
server.stop(None)
PY
out=$("$tmp/venv/bin/python" "$tmp/run.py")
saw version "grpcio $(sed -n 1p <<<"$out")"
is 'to a client that offers gzip' "$(sed -n 2p <<<"$out")" 'gzip flag 1'
is 'to one that offers identity' "$(sed -n 3p <<<"$out")" 'gzip flag 1'
is 'to one that offers nothing' "$(sed -n 4p <<<"$out")" 'gzip flag 1'
