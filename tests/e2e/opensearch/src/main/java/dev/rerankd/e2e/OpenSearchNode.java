package dev.rerankd.e2e;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.index.mapper.MapperExtrasPlugin;
import org.opensearch.join.ParentJoinPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.script.mustache.MustachePlugin;
import org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin;
import org.opensearch.transport.Netty4Plugin;

/**
 * One real OpenSearch node on the loopback interface, for tests.
 *
 * <p>Arguments: the data folder. Prints {@code opensearch <version> <url>} when it serves; ends when
 * its standard input closes, or on SIGTERM.
 */
public final class OpenSearchNode extends Node {
    private static final List<Class<? extends Plugin>> MODULES =
            List.of(
                    Netty4Plugin.class,
                    CommonAnalysisPlugin.class,
                    PainlessPlugin.class,
                    MustachePlugin.class,
                    MapperExtrasPlugin.class,
                    ParentJoinPlugin.class,
                    MatrixAggregationPlugin.class);

    /** Comes as a zip, which nothing can be compiled against. */
    private static final String KNN = "org.opensearch.knn.plugin.KNNPlugin";

    private OpenSearchNode(Environment environment) throws ClassNotFoundException {
        super(environment, plugins(), false);
    }

    private static List<Class<? extends Plugin>> plugins() throws ClassNotFoundException {
        List<Class<? extends Plugin>> plugins = new ArrayList<>(MODULES);
        plugins.add(Class.forName(KNN).asSubclass(Plugin.class));
        return plugins;
    }

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]).toAbsolutePath();
        Settings settings =
                Settings.builder()
                        .put("path.home", home)
                        .put("cluster.name", "rerankd-e2e")
                        .put("discovery.type", "single-node")
                        .put("network.host", "127.0.0.1")
                        .put("http.port", "0")
                        .put("transport.port", "0")
                        .put("transport.type", "netty4")
                        .put("http.type", "netty4")
                        .put("node.processors", 2)
                        .put("cluster.routing.allocation.disk.threshold_enabled", false)
                        .build();
        Environment environment =
                InternalSettingsPreparer.prepareEnvironment(
                        settings, Map.of(), home.resolve("config"), () -> "e2e");
        try (OpenSearchNode node = new OpenSearchNode(environment)) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
            node.start();
            int port =
                    node.injector()
                            .getInstance(HttpServerTransport.class)
                            .boundAddress()
                            .publishAddress()
                            .getPort();
            System.out.println(
                    "opensearch " + org.opensearch.Version.CURRENT + " http://127.0.0.1:" + port);
            System.out.flush();
            while (System.in.read() >= 0) {
                // Nothing is read from it: only its end matters.
            }
        }
        System.exit(0);
    }

    private static void close(Node node) {
        try {
            node.close();
        } catch (java.io.IOException e) {
            System.err.println("closing the node: " + e);
        }
    }
}
