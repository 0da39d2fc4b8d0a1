#!/usr/bin/env bash
# Elasticsearch 9.5.3: a base64 `query_vector` is read big-endian, so the base64 that embedding services answer with
# (little-endian float32) is taken without an error and ranks by another vector.
#
# Both sides say "base64 of the floats", the lengths agree, and any four bytes are a float in either order, though a wild one: the
# search answers 200 with as many hits, in an order that means nothing. Whoever hands an embedding from one to the other, or
# compares the two, has to turn the bytes. One would expect the common little-endian form, or a form that says which it is.
source "$(dirname "$0")/lib.sh"

database elasticsearch
put PUT /docs '{"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": {"properties":
    {"v": {"type": "dense_vector", "dims": 3, "similarity": "l2_norm"}}}}'
put PUT /docs/_doc/far '{"v": [0.03, 0.01, -0.02]}'
put PUT /docs/_doc/near '{"v": [-0.7, 0.3, 0.6]}'
put POST /docs/_refresh
search() { # search VECTOR-AS-JSON: the ids in order with their scores
    ask POST /docs/_search "{\"knn\": {\"field\": \"v\", \"query_vector\": $1, \"k\": 2, \"num_candidates\": 10}}" |
        of '[(hit["_id"], hit["_score"]) for hit in a["hits"]["hits"]]'
}
base64_of() { python3 -c 'import base64, struct, sys; print(base64.b64encode(struct.pack(sys.argv[1] + "3f", -0.69, 0.31, 0.61)).decode())' "$1"; }
numbers=$(search '[-0.69, 0.31, 0.61]')
saw 'hits for [-0.69, 0.31, 0.61]' "$numbers"
is 'hits for its base64, big-endian' "$(search "\"$(base64_of '>')\"")" "$numbers"
little=$(search "\"$(base64_of '<')\"")
saw 'hits for its base64, little-endian' "$little"
is 'first hit for the numbers' "$(grep -oE 'near|far' <<<"$numbers" | head -n1)" near
is 'first hit for little-endian' "$(grep -oE 'near|far' <<<"$little" | head -n1)" far
