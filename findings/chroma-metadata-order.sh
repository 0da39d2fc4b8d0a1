#!/usr/bin/env bash
# chromadb 1.5.9: the same query asked twice answers with the keys of `metadatas` in different orders.
#
# Metadata is kept in a hash map with a new seed per map. Nobody relies on the order of JSON keys, but a proxy, a cache or a
# test easily relies on equal answers being equal bytes: an ETag, a cache key over the passage, a comparison "reranked or
# not", the prompt built from the record (whose provider-side cache then always misses). One would expect two answers from the
# same unchanged record to be the same.
source "$(dirname "$0")/lib.sh"

pip_install chromadb==1.5.9
cat >"$tmp/run.py" <<'PY'
import json
import chromadb
from chromadb.config import Settings
client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False))
docs = client.create_collection("docs", embedding_function=None)
keys = ["title", "body", "price", "brand", "colour", "size", "stock", "shop"]
docs.add(ids=["1"], embeddings=[[1.0, 0.0]], metadatas=[{key: place for place, key in enumerate(keys)}])
answers = [docs.query(query_embeddings=[[1.0, 0.0]], n_results=1)["metadatas"] for _ in range(10)]
print(chromadb.__version__)
print(json.dumps(list(answers[0][0][0])))
print(json.dumps(list(answers[1][0][0])))
print(all(answer == answers[0] for answer in answers), len({json.dumps(answer) for answer in answers}) > 1)
PY
out=$("$tmp/venv/bin/python" "$tmp/run.py")
is version "chromadb $(sed -n 1p <<<"$out")" 'chromadb 1.5.9'
saw 'keys of the first answer' "$(sed -n 2p <<<"$out")"
saw 'keys of the second answer' "$(sed -n 3p <<<"$out")"
is 'ten answers equal, of several orders' "$(sed -n 4p <<<"$out")" 'True True'
