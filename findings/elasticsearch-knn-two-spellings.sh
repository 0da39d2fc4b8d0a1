#!/usr/bin/env bash
# Elasticsearch 9.5.3: the same kNN search with `k` 4 finds 4 hits written as top-level `knn`, and 12 written as a `knn` query,
# in an index of three shards.
#
# As a section, `k` bounds the result of the whole search; as a query it bounds each shard's. In an index of one shard, where one
# tries things out, the two are alike. A reranker that takes `k` for the number of hits that can be
# there (to page, to widen, to tell the client's total) is right for one spelling, and for the other until the index grows. One
# would expect two spellings with the same members and names to mean the same.
source "$(dirname "$0")/lib.sh"

database elasticsearch
declare -A total
for shards in 1 3; do
    put PUT "/docs$shards" "{\"settings\": {\"number_of_shards\": $shards, \"number_of_replicas\": 0}, \"mappings\":
        {\"properties\": {\"v\": {\"type\": \"dense_vector\", \"dims\": 2, \"similarity\": \"l2_norm\"}}}}"
    for ((document = 0; document < 40; document++)); do echo "{\"index\": {\"_id\": $document}}"; echo "{\"v\": [$document, 1]}"; done \
        >"$tmp/bulk"
    put POST "/docs$shards/_bulk?refresh=true" "@$tmp/bulk"
    knn='"knn": {"field": "v", "query_vector": [7, 1], "k": 4, "num_candidates": 20}'
    total[section$shards]=$(ask POST "/docs$shards/_search" "{$knn, \"size\": 40}" | of 'a["hits"]["total"]["value"]')
    total[query$shards]=$(ask POST "/docs$shards/_search" "{\"query\": {$knn}, \"size\": 40}" | of 'a["hits"]["total"]["value"]')
done
is 'one shard, knn' "${total[section1]}" 4
is 'one shard, query.knn' "${total[query1]}" 4
is 'three shards, knn' "${total[section3]}" 4
is 'three shards, query.knn' "${total[query3]}" 12
