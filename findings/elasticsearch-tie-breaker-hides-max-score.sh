#!/usr/bin/env bash
# Elasticsearch 9.5.3: `max_score` becomes null when a tie-breaker follows `_score` in the sort, though every hit has its score.
#
# The order, the hits and their scores are the same as with `_score` alone; only the largest of them, which is the first
# hit's, is said to be unknown. OpenSearch 3.9.0 says it for the same request. Whoever scales scores by `max_score` (to mix
# them with a reranker's, or to cut below a part of it) gets null, from this server alone, for a sort that was only made stable.
source "$(dirname "$0")/lib.sh"

search='"query": {"match": {"title": "red"}}'
for name in elasticsearch opensearch-3; do
    database "$name"
    put PUT '/docs/_doc/1?refresh=true' '{"title": "red shoes", "price": 3}'
    answer=$(ask POST /docs/_search "{$search, \"sort\": [\"_score\", \"price\"]}")
    is 'max_score is the score, sort _score' \
        "$(ask POST /docs/_search "{$search, \"sort\": [\"_score\"]}" | of 'a["hits"]["max_score"] == a["hits"]["hits"][0]["_score"]')" True
    saw 'score of the first hit, sort _score and price' "$(of 'a["hits"]["hits"][0]["_score"]' <<<"$answer")"
    [[ $name == elasticsearch ]] && expected=True || expected=False
    is 'max_score is null, sort _score and price' "$(of 'a["hits"]["max_score"] is None' <<<"$answer")" "$expected"
done
