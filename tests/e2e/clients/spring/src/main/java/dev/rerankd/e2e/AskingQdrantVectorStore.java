package dev.rerankd.e2e;

// --- recipe
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.qdrant.client.QdrantClient;
import io.qdrant.client.QdrantGrpcClient;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.springframework.ai.document.Document;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.qdrant.QdrantVectorStore;

/** Spring AI's store for Qdrant, whose searches also carry the text of their query, so that rerankd can rerank them. */
public class AskingQdrantVectorStore extends QdrantVectorStore {
    private static final Metadata.Key<String> QUERY =
            Metadata.Key.of("x-rerank-query", Metadata.ASCII_STRING_MARSHALLER);
    private static final ThreadLocal<String> ASKED = new ThreadLocal<>();

    public AskingQdrantVectorStore(Builder builder) {
        super(builder);
    }

    /** The client for this store: `QdrantVectorStore.builder(connect(host, 6344), embeddingModel)`. */
    public static QdrantClient connect(String host, int port) {
        ManagedChannel channel = ManagedChannelBuilder.forAddress(host, port)
                .usePlaintext()
                .intercept(new Telling())
                .build();
        return new QdrantClient(QdrantGrpcClient.newBuilder(channel, true).build());
    }

    @Override
    public List<Document> doSimilaritySearch(SearchRequest request) {
        ASKED.set(request.getQuery());
        try {
            return super.doSimilaritySearch(request);
        } finally {
            ASKED.remove();
        }
    }

    /** Runs on the thread that searches. */
    private static final class Telling implements ClientInterceptor {
        @Override
        public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
            String text = ASKED.get();
            return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
                @Override
                public void start(Listener<R> listener, Metadata headers) {
                    if (text != null) {
                        headers.put(QUERY, URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20"));
                    }
                    super.start(listener, headers);
                }
            };
        }
    }
}
// --- recipe
