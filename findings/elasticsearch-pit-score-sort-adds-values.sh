#!/usr/bin/env bash
# Elasticsearch 9.5.3: with a point in time, `"sort": ["_score"]` puts sort values on the hits that the same sort without
# one, and the same point in time without the sort, do not.
#
# Sorting by `_score` is what a search does anyway, and without a point in time it changes nothing. With one, an unnamed
# tie-breaker (`_shard_doc`) joins the sort, and each hit says `"sort": [score, number]`: the cursor that the client sends
# back as `search_after`. Whoever reorders a page has to know that such a search hands out cursors, although nothing in it
# says so; OpenSearch 3.9.0 adds nothing.
source "$(dirname "$0")/lib.sh"

database elasticsearch
put PUT '/docs/_doc/1?refresh=true' '{"title": "red shoes"}'
id=$(ask POST '/docs/_pit?keep_alive=1m' | of 'a["id"]')
sort='"query": {"match": {"title": "red"}}, "sort": ["_score"]'
shown='"sort" in a["hits"]["hits"][0]'
is 'sort values, no point in time, sort _score' "$(ask POST /docs/_search "{$sort}" | of "$shown")" False
is 'sort values, point in time, no sort' \
    "$(ask POST /_search "{\"pit\": {\"id\": \"$id\"}, \"query\": {\"match\": {\"title\": \"red\"}}}" | of "$shown")" False
answer=$(ask POST /_search "{\"pit\": {\"id\": \"$id\"}, $sort}")
saw 'sort values, point in time, sort _score' "$(of 'a["hits"]["hits"][0].get("sort")' <<<"$answer")"
is 'how many of them' "$(of 'len(a["hits"]["hits"][0].get("sort", []))' <<<"$answer")" 2
