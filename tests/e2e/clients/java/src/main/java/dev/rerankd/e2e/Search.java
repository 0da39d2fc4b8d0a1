package dev.rerankd.e2e;

import static io.qdrant.client.ConditionFactory.matchKeyword;
import static io.qdrant.client.QueryFactory.nearest;
import static io.qdrant.client.WithPayloadSelectorFactory.enable;

import com.google.gson.GsonBuilder;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import io.qdrant.client.QdrantClient;
import io.qdrant.client.QdrantGrpcClient;
import io.qdrant.client.RequestHeaders;
import io.qdrant.client.grpc.Common.Filter;
import io.qdrant.client.grpc.Points.QueryPointGroups;
import io.qdrant.client.grpc.Points.QueryPoints;
import io.qdrant.client.grpc.Points.ScoredPoint;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;

/** The searches of {@code ../README.md} with the official Java client. */
public final class Search {
    private final QdrantClient client;
    private final String collection;
    private final List<Float> vector;

    private Search(QdrantClient client, String collection, List<Float> vector) {
        this.client = client;
        this.collection = collection;
        this.vector = vector;
    }

    // --- recipe
    static QdrantClient connect(int port) {
        // The last argument is TLS, which is on unless it is switched off.
        return new QdrantClient(QdrantGrpcClient.newBuilder("127.0.0.1", port, false).build());
    }

    /** A search is reranked for `text` in here: `asking(text).call(() -> client.queryAsync(request)).get()`. */
    static Context asking(String text) {
        String encoded = URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
        return RequestHeaders.withHeader(Context.current(), "x-rerank-query", encoded);
    }

    // --- recipe

    private QueryPoints.Builder nearestOf(String collection, int limit) {
        return QueryPoints.newBuilder()
                .setCollectionName(collection)
                .setQuery(nearest(vector))
                .setLimit(limit)
                .setWithPayload(enable(true));
    }

    private List<Long> plain(String collection) throws Exception {
        return ids(client.queryAsync(nearestOf(collection, 5).build()).get());
    }

    private List<Long> filtered(String topic) throws Exception {
        Filter filter = Filter.newBuilder().addMust(matchKeyword("topic", topic)).build();
        return ids(client.queryAsync(nearestOf(collection, 4).setFilter(filter).build()).get());
    }

    private List<List<Long>> batch() throws Exception {
        List<QueryPoints> searches =
                List.of(nearestOf(collection, 4).build(), nearestOf(collection, 3).setOffset(2).build());
        return client.queryBatchAsync(collection, searches).get().stream()
                .map(one -> ids(one.getResultList()))
                .toList();
    }

    private List<List<Object>> groups() throws Exception {
        QueryPointGroups request = QueryPointGroups.newBuilder()
                .setCollectionName(collection)
                .setQuery(nearest(vector))
                .setGroupBy("topic")
                .setLimit(3)
                .setGroupSize(3)
                .setWithPayload(enable(true))
                .build();
        return client.queryGroupsAsync(request).get().stream()
                .map(group -> List.<Object>of(group.getId().getStringValue(), ids(group.getHitsList())))
                .toList();
    }

    // --- recipe
    /** What became of a search: the high-level calls hand out no metadata, those below them do. */
    static String statusOf(QdrantClient client, QueryPoints request) throws Exception {
        AtomicReference<Metadata> header = new AtomicReference<>();
        AtomicReference<Metadata> trailer = new AtomicReference<>();
        client.grpcClient().points()
                .withInterceptors(MetadataUtils.newCaptureMetadataInterceptor(header, trailer))
                .query(request)
                .get();
        return header.get().get(Metadata.Key.of("x-rerank-status", Metadata.ASCII_STRING_MARSHALLER));
    }

    // --- recipe

    private static List<Long> ids(List<ScoredPoint> points) {
        return points.stream().map(point -> point.getId().getNum()).toList();
    }

    /** One line for each search: its ids in their order, or the status that it ended with. */
    private static void show(String search, Callable<Object> call) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>(Map.of("search", search));
        try {
            line.put(search.equals("shown") ? "status" : "ids", call.call());
        } catch (ExecutionException failed) {
            Status status = Status.fromThrowable(failed);
            line.put("code", status.getCode().value());
            line.put("message", status.getDescription());
        }
        System.out.println(new GsonBuilder().serializeNulls().create().toJson(line));
    }

    private Void all(String topic) throws Exception {
        show("plain", () -> plain(collection));
        show("filtered", () -> filtered(topic));
        show("batch", this::batch);
        show("groups", this::groups);
        show("shown", () -> statusOf(client, nearestOf(collection, 5).build()));
        show("unknown", () -> plain("missing"));
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> env = System.getenv();
        List<Float> vector =
                Arrays.stream(env.get("VECTOR").split(",")).map(Float::parseFloat).toList();
        try (QdrantClient client = connect(Integer.parseInt(env.get("QDRANT_GRPC_PORT")))) {
            Search searches = new Search(client, env.get("COLLECTION"), vector);
            String text = env.get("QUERY_TEXT");
            Context context = text == null ? Context.current() : asking(text);
            context.call(() -> searches.all(env.get("TOPIC")));
        }
    }
}
