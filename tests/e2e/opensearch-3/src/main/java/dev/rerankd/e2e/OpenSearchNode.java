package dev.rerankd.e2e;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.Version;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/**
 * One real OpenSearch node on the loopback interface, for tests.
 *
 * <p>Arguments: the data folder. Prints {@code opensearch <version> <url>} when it serves; ends when
 * its standard input closes, or on SIGTERM.
 */
public final class OpenSearchNode extends Node {
    private static final List<String> MODULES =
            List.of(
                    "org.opensearch.transport.Netty4ModulePlugin",
                    "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
                    "org.opensearch.painless.PainlessModulePlugin",
                    "org.opensearch.script.mustache.MustacheModulePlugin",
                    "org.opensearch.index.mapper.MapperExtrasModulePlugin",
                    "org.opensearch.join.ParentJoinModulePlugin");

    private OpenSearchNode(Environment environment) {
        super(environment, MODULES.stream().map(OpenSearchNode::module).toList(), false);
    }

    private static PluginInfo module(String name) {
        return new PluginInfo(name, "on the class path", "NA", Version.CURRENT, "21", name, null, List.of(), false);
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
                    "opensearch " + Version.CURRENT + " http://127.0.0.1:" + port);
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
