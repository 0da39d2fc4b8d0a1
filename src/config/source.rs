//! [`Source`]: where a configuration comes from, so that it can be loaded again and its changes be seen.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Config, Fingerprint, Flags, Mode, Problems, load, load_path,
    node::{self, Node, Value},
    overlay,
};

/// A file, the environment and the flags of a process. The last two never change while it runs.
#[derive(Clone)]
pub struct Source {
    path: Option<PathBuf>,
    env: HashMap<String, String>,
    flags: Flags,
}

/// What a load gave, and what it was made of.
pub struct Loaded {
    /// The configuration, or every problem of it.
    pub config: Result<Config, Problems>,
    /// The files as they were just before.
    pub fingerprint: Fingerprint,
}

/// What a plain proxy needs of a file.
const PLAIN_SECTIONS: [&str; 4] = ["listeners", "admin", "shutdown", "embeddings"];
/// What it needs of the environment.
const PLAIN_VARIABLES: [&str; 7] = [
    "RERANKD_LISTEN",
    "RERANKD_GRPC_LISTEN",
    "RERANKD_UPSTREAM__",
    "RERANKD_TLS__",
    "RERANKD_ADMIN__",
    "RERANKD_SHUTDOWN__",
    "RERANKD_EMBEDDINGS__",
];

impl Source {
    /// Without a path there is no file.
    pub fn new(path: Option<PathBuf>, env: HashMap<String, String>, flags: Flags) -> Self {
        Self { path, env, flags }
    }

    /// Reads everything anew. Blocks on the disk.
    pub fn load(&self) -> Loaded {
        let fingerprint = self.fingerprint();
        Loaded { config: load_path(self.path.as_deref(), &self.env, &self.flags), fingerprint }
    }

    /// What the files hold now: the configuration and every file that it names. Blocks on the disk.
    ///
    /// Contents are compared, not times or inodes: that sees the swapped symlinks of Kubernetes, bind mounts and
    /// network file systems alike.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut root = self.tree().unwrap_or_else(Node::empty_map);
        overlay::lay(&mut root, &self.env, &self.flags, &mut Problems::default());
        let mut files: Vec<PathBuf> = self.path.iter().cloned().collect();
        named_files(&root, &mut files);
        Fingerprint::of(&files)
    }

    /// A plain proxy, for a configuration that is bad: listeners and admin from the file where at least those are
    /// good, else from the environment and the flags alone. Nothing is reranked.
    pub fn passthrough(&self) -> Result<Config, Problems> {
        // What passes embedding calls on is wanted too, but not at the cost of the rest.
        self.plain(&PLAIN_SECTIONS, &PLAIN_VARIABLES).or_else(|_| {
            let (sections, variables) = (PLAIN_SECTIONS.split_last(), PLAIN_VARIABLES.split_last());
            self.plain(sections.map_or(&[], |all| all.1), variables.map_or(&[], |all| all.1))
        })
    }

    fn plain(&self, sections: &[&str], variables: &[&str]) -> Result<Config, Problems> {
        let wanted = |name: &&String| variables.iter().any(|prefix| name.starts_with(prefix));
        let env = self.env.iter().filter(|(name, _)| wanted(name));
        let env = env.map(|(name, value)| (name.clone(), value.clone())).collect();
        let of_file = self.tree().and_then(|mut root| {
            if let Value::Map(entries) = &mut root.value {
                entries.retain(|entry| sections.contains(&entry.key.as_str()));
            }
            super::read_tree(&mut root, &env, &self.flags).ok()
        });
        let mut config = match of_file {
            Some(config) => config,
            // Never in cleartext, and open to everybody, where the file requires TLS.
            None if self.text().is_some_and(|text| text.contains("tls")) => return self.load().config,
            None => load(None, &env, &self.flags)?,
        };
        config.rerank.mode = Mode::Off;
        Ok(config)
    }

    fn text(&self) -> Option<String> {
        std::fs::read_to_string(self.path.as_deref()?).ok()
    }

    /// The file as a tree; `None` if there is none or it cannot be parsed.
    fn tree(&self) -> Option<Node> {
        let mut problems = Problems::default();
        let root = node::parse(&self.text()?, &mut problems);
        problems.0.is_empty().then_some(root)
    }
}

impl fmt::Debug for Source {
    /// Without the environment, which holds keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path.as_deref().map(Path::display))
            .finish_non_exhaustive()
    }
}

/// Every file that the tree names, by the ending of its key. The cache's secret is not among them: it stays as
/// long as the process, since another would empty the cache.
fn named_files(node: &Node, found: &mut Vec<PathBuf>) {
    match &node.value {
        Value::Null | Value::Text(_) => {}
        Value::List(items) => items.iter().for_each(|item| named_files(item, found)),
        Value::Map(entries) => {
            for entry in entries {
                match &entry.node.value {
                    Value::Text(path) if entry.key.ends_with("_file") && entry.key != "secret_file" => {
                        found.push(PathBuf::from(path));
                    }
                    _ => named_files(&entry.node, found),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    fn source(path: PathBuf, env: &[(&str, &str)]) -> Source {
        let env = env.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Source::new(Some(path), env, Flags::default())
    }

    const UPSTREAM: &str = "listeners: [{ upstream: { url: 'http://db:6333' } }]\n";

    #[test]
    fn a_change_of_any_file_that_is_named_is_seen_even_if_the_rest_is_bad() {
        let folder = Folder::new();
        let key = folder.write("key", "one");
        let secret = folder.write("secret", "s");
        let text = format!(
            "{UPSTREAM}rerank: {{ windwo: 3 }}\ncache: {{ secret_file: '{}' }}\n\
             providers: {{ cohere: {{ api_key_file: '{}', ca_file: /not/there/yet }} }}",
            secret.display(),
            key.display()
        );
        let source = source(folder.write("rerankd.yaml", &text), &[]);
        let before = source.load();
        assert!(before.config.is_err());
        assert_eq!(source.fingerprint(), before.fingerprint);
        folder.write("secret", "another");
        assert_eq!(source.fingerprint(), before.fingerprint, "the secret stays");
        folder.write("key", "two");
        let rotated = source.fingerprint();
        assert_ne!(rotated, before.fingerprint);
        folder.write("rerankd.yaml", &format!("{text}\n# a remark"));
        assert_ne!(source.fingerprint(), rotated);
    }

    #[test]
    fn a_file_named_by_a_variable_is_watched_too() {
        let folder = Folder::new();
        let key = folder.write("key", "one");
        let pairs = [("RERANKD_PROVIDERS__COHERE__API_KEY_FILE", key.to_str().unwrap())];
        let source = source(folder.write("rerankd.yaml", UPSTREAM), &pairs);
        let before = source.fingerprint();
        folder.write("key", "two");
        assert_ne!(source.fingerprint(), before);
    }

    #[test]
    fn a_plain_proxy_keeps_the_good_listeners_of_a_bad_file() {
        let folder = Folder::new();
        let file = folder.write("rerankd.yaml", &format!("{UPSTREAM}rerank: {{ windwo: 3 }}"));
        let config = source(file, &[("CO_API_KEY", "k")]).passthrough().unwrap();
        assert_eq!(config.listeners[0].upstream.url, "http://db:6333/");
        assert_eq!(config.rerank.mode, Mode::Off);
    }

    #[test]
    fn a_plain_proxy_without_good_listeners_needs_the_environment() {
        let folder = Folder::new();
        for text in ["listeners: [", "listeners: [{ upstream: { ulr: x } }]"] {
            let file = folder.write("rerankd.yaml", text);
            assert!(source(file.clone(), &[]).passthrough().is_err());
            let named = [("RERANKD_UPSTREAM__URL", "http://other:1"), ("RERANKD_RERANK__WINDOW", "x")];
            let config = source(file, &named).passthrough().unwrap();
            assert_eq!(config.listeners[0].upstream.url, "http://other:1/");
        }
    }

    #[test]
    fn a_file_that_asks_for_tls_is_never_replaced_by_cleartext() {
        let folder = Folder::new();
        let named = [("RERANKD_UPSTREAM__URL", "http://other:1")];
        for text in [
            "listeners: [{ tls: { cert_file: /no, key_file: /no }, upstream: { url: 'http://db' } }]",
            "listeners: [{ tls: {",
        ] {
            assert!(source(folder.write("rerankd.yaml", text), &named).passthrough().is_err());
        }
    }

    #[test]
    fn debug_output_hides_the_environment() {
        let source = source("f.yaml".into(), &[("CO_API_KEY", "s3cret")]);
        assert_eq!(format!("{source:?}"), "Source { path: Some(\"f.yaml\"), .. }");
    }
}
