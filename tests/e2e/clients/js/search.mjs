// The searches of ../README.md with the official JavaScript client for gRPC.

import { ConnectError } from '@qdrant/js-client-grpc';

// --- recipe
import { QdrantClient } from '@qdrant/js-client-grpc';

function connect(port) {
  return new QdrantClient({ host: '127.0.0.1', port });
}

// The options of a call that is reranked for `text`.
function asking(text) {
  return { headers: { 'x-rerank-query': encodeURIComponent(text) } };
}

async function search(client, collection, vector, limit, options) {
  const request = {
    collectionName: collection,
    query: nearest(vector),
    limit: BigInt(limit),
    withPayload: { selectorOptions: { case: 'enable', value: true } },
  };
  return (await client.api('points').query(request, options)).result;
}

function nearest(vector) {
  const dense = { variant: { case: 'dense', value: { data: vector } } };
  return { variant: { case: 'nearest', value: dense } };
}

async function searchWithStatus(client, collection, vector, limit, options) {
  let status;
  const onHeader = (headers) => { status = headers.get('x-rerank-status'); };
  const points = await search(client, collection, vector, limit, { ...options, onHeader });
  return { points, status };
}
// --- recipe

const withPayload = { selectorOptions: { case: 'enable', value: true } };

async function filtered(client, collection, vector, topic, options) {
  const match = { matchValue: { case: 'keyword', value: topic } };
  const filter = { must: [{ conditionOneOf: { case: 'field', value: { key: 'topic', match } } }] };
  const request = { collectionName: collection, query: nearest(vector), filter, limit: 4n, withPayload };
  return (await client.api('points').query(request, options)).result;
}

async function batch(client, collection, vector, options) {
  const one = { collectionName: collection, query: nearest(vector), withPayload };
  const queryPoints = [{ ...one, limit: 4n }, { ...one, limit: 3n, offset: 2n }];
  return (await client.api('points').queryBatch({ collectionName: collection, queryPoints }, options)).result;
}

async function groups(client, collection, vector, options) {
  const request = {
    collectionName: collection, query: nearest(vector), groupBy: 'topic', limit: 3n, groupSize: 3n, withPayload,
  };
  return (await client.api('points').queryGroups(request, options)).result.groups;
}

function ids(points) {
  return points.map((point) => Number(point.id.pointIdOptions.value));
}

// One line for each search: its ids in their order, or the status that it ended with.
async function show(search, call) {
  try {
    console.log(JSON.stringify({ search, ...(await call()) }));
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    console.log(JSON.stringify({ search, code: error.code, message: error.rawMessage }));
  }
}

const { QDRANT_GRPC_PORT, COLLECTION: collection, TOPIC: topic, QUERY_TEXT: text } = process.env;
const vector = process.env.VECTOR.split(',').map(Number);
const client = connect(Number(QDRANT_GRPC_PORT));
const options = text ? asking(text) : {};

await show('plain', async () => ({ ids: ids(await search(client, collection, vector, 5, options)) }));
await show('filtered', async () => ({ ids: ids(await filtered(client, collection, vector, topic, options)) }));
await show('batch', async () => ({ ids: (await batch(client, collection, vector, options)).map((one) => ids(one.result)) }));
await show('groups', async () => {
  const found = await groups(client, collection, vector, options);
  return { ids: found.map((group) => [group.id.kind.value, ids(group.hits)]) };
});
await show('shown', async () => {
  const { points, status } = await searchWithStatus(client, collection, vector, 5, options);
  return { ids: ids(points), status };
});
await show('unknown', async () => ({ ids: ids(await search(client, 'missing', vector, 5, options)) }));
