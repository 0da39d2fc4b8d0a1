package dev.rerankd;

import java.nio.file.Path;
import java.util.Properties;
import org.apache.solr.embedded.JettyConfig;
import org.apache.solr.embedded.JettySolrRunner;

/** One Solr node on a free port of this machine; says where it listens, and ends with the process. */
public final class EndToEndSolr {
  public static void main(String[] args) throws Exception { // home folder
    String home = Path.of(args[0]).toAbsolutePath().toString();
    JettyConfig config = JettyConfig.builder().setPort(0).setContext("/solr").stopAtShutdown(true).build();
    JettySolrRunner solr = new JettySolrRunner(home, new Properties(), config);
    solr.start();
    System.out.println("solr http://127.0.0.1:" + solr.getLocalPort());
    while (System.in.read() >= 0) {}
    solr.stop();
    System.exit(0);
  }
}
