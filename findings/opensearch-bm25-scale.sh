#!/usr/bin/env bash
# OpenSearch 3.9.0 and Elasticsearch 9.5.3: the same documents, query and default similarity (BM25, k1 1.2, b 0.75) score
# 2.2 times as high in Elasticsearch, so that the same `min_score` keeps all there and none here.
#
# Both call it BM25; Elasticsearch still multiplies by k1 + 1, OpenSearch 3 no longer does. The order is the same and so tests of
# order pass, but whatever compares a score with a number (min_score, a gate "is the first hit far enough ahead", a
# weight that adds it to a vector's score) means another thing after a move. One would expect equal parameters, equal scores.
source "$(dirname "$0")/lib.sh"

for name in elasticsearch opensearch-3; do
    database "$name"
    put PUT /docs '{"settings": {"number_of_shards": 1, "number_of_replicas": 0}}'
    for document in 1 2 3; do put PUT "/docs/_doc/$document?refresh=true" '{"title": "red shoes"}'; done
    put PUT '/docs/_doc/4?refresh=true' '{"title": "blue hat"}'
    search='"query": {"match": {"title": "red"}}'
    score=$(ask POST /docs/_search "{$search}" | of 'a["hits"]["max_score"]')
    saw score "$score"
    kept=$(ask POST /docs/_search "{$search, \"min_score\": 0.25}" | of 'len(a["hits"]["hits"])')
    if [[ $name == elasticsearch ]]; then
        elasticsearch=$score
        is 'hits with min_score 0.25' "$kept" 3
    else
        is 'hits with min_score 0.25' "$kept" 0
    fi
done
is 'ratio of the scores' "$(python3 -c 'import sys; print(round(float(sys.argv[1]) / float(sys.argv[2]), 4))' "$elasticsearch" "$score")" 2.2
