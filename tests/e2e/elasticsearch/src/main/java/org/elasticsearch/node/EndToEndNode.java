package org.elasticsearch.node;

import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.Build;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * One real Elasticsearch node on the loopback interface, for tests.
 *
 * <p>Arguments: the home folder (with the transport in its {@code modules}) and the data folder. Prints {@code
 * elasticsearch <version> <url>} when it serves; ends when its standard input closes, or on SIGTERM. It is in the
 * server's package because a node cannot be put together without parts that are private to it.
 */
public final class EndToEndNode {
    private EndToEndNode() {}

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]).toAbsolutePath();
        LogConfigurator.configureESLogging();
        Settings settings =
                Settings.builder()
                        .put("path.home", home)
                        .put("path.data", Path.of(arguments[1]).toAbsolutePath())
                        .put("path.logs", Path.of(arguments[1]).toAbsolutePath().resolve("logs"))
                        .put("cluster.name", "rerankd-e2e")
                        .put("node.name", "e2e")
                        .put("discovery.type", "single-node")
                        .put("network.host", "127.0.0.1")
                        .put("http.port", "0")
                        .put("transport.port", "0")
                        .put("node.processors", 2)
                        .put("cluster.routing.allocation.disk.threshold_enabled", false)
                        .build();
        Environment environment =
                InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "e2e");
        PluginsLoader plugins =
                PluginsLoader.createPluginsLoader(
                        PluginsLoader.loadModulesBundles(environment.modulesDir(), false),
                        PluginsLoader.loadPluginsBundles(environment.pluginsDir(), false),
                        Map.of(),
                        false);
        try (Node node = new Node(environment, plugins)) {
            node.start();
            int port =
                    node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort();
            System.out.println("elasticsearch " + Build.current().version() + " http://127.0.0.1:" + port);
            System.out.flush();
            while (System.in.read() >= 0) {
                // Nothing is read from it: only its end matters.
            }
        }
        System.exit(0);
    }
}
