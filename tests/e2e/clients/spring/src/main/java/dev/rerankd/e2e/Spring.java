package dev.rerankd.e2e;

import io.qdrant.client.QdrantClient;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.Embedding;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.embedding.EmbeddingResponse;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.qdrant.QdrantVectorStore;

/** A search with Spring AI's store and one with the recipe's, a line of JSON for each; see {@code ../README.md}. */
public final class Spring {
    /** Every text is the same to it. */
    private record Standing(float[] vector) implements EmbeddingModel {
        @Override
        public EmbeddingResponse call(EmbeddingRequest request) {
            return new EmbeddingResponse(
                    request.getInstructions().stream().map(text -> new Embedding(vector, 0)).toList());
        }

        @Override
        public float[] embed(Document document) {
            return vector;
        }
    }

    private static void show(String search, QdrantVectorStore store, String text) {
        List<Document> found = store.similaritySearch(SearchRequest.builder().query(text).topK(5).build());
        String ids = found.stream().map(one -> '"' + one.getId() + '"').collect(Collectors.joining(","));
        System.out.printf("{\"search\": \"%s\", \"ids\": [%s]}%n", search, ids);
    }

    public static void main(String[] arguments) {
        Map<String, String> env = System.getenv();
        List<Float> vector =
                Arrays.stream(env.get("VECTOR").split(",")).map(Float::parseFloat).toList();
        float[] numbers = new float[vector.size()];
        for (int at = 0; at < numbers.length; at++) {
            numbers[at] = vector.get(at);
        }
        int port = Integer.parseInt(env.get("QDRANT_GRPC_PORT"));
        try (QdrantClient client = AskingQdrantVectorStore.connect("127.0.0.1", port)) {
            QdrantVectorStore.Builder builder = QdrantVectorStore.builder(client, new Standing(numbers))
                    .collectionName(env.get("COLLECTION"))
                    .contentFieldName("text");
            show("plain", builder.build(), env.get("QUERY_TEXT"));
            show("asking", new AskingQdrantVectorStore(builder), env.get("QUERY_TEXT"));
        }
    }
}
