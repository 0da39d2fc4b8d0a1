//! What the pages show as configuration is configuration.

use std::{collections::HashMap, fs, path::Path};

use rerankd::config::{Flags, load};

/// First keys of the examples that are for other programs, or for files beside the configuration.
const FOREIGN: [&str; 9] = [
    "apiVersion",
    "config.linkerd.io/skip-inbound-ports",
    "env",
    "error",
    "metadata",
    "operations",
    "search",
    "to",
    "traffic.sidecar.istio.io/excludeInboundPorts",
];

/// The YAML examples of a page, each with the line that it begins at.
fn examples(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim_start() == "```yaml" {
            let indent = line.len() - line.trim_start().len();
            let inside = lines.by_ref().take_while(|(_, line)| line.trim_start() != "```");
            let text = inside.map(|(_, line)| line.get(indent..).unwrap_or_default().to_owned() + "\n");
            found.push((at + 2, text.collect()));
        }
    }
    found
}

/// The first key of an example that is no comment and no element of a list.
fn first_key(example: &str) -> &str {
    let mut lines = example.lines().filter(|line| !line.trim_start().starts_with('#'));
    let first = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
    first.split(':').next().unwrap_or_default().trim_start_matches("- ").trim()
}

/// What the program says of an example, but that files are not on this machine.
fn complaints(example: &str) -> Vec<String> {
    // Where it says no address of a database, that is another example's matter, or the environment's.
    let has_database = example.lines().any(|line| line.starts_with("listeners:")) && example.contains("url:");
    let upstream = ("RERANKD_UPSTREAM__URL".to_owned(), "http://127.0.0.1:6333".to_owned());
    let env: HashMap<_, _> = (!has_database).then_some(upstream).into_iter().collect();
    match load(Some((Path::new("page.yaml"), example)), &env, &Flags::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            let said = problems.0.into_iter().map(|problem| problem.to_string());
            said.filter(|said| !said.contains("there is no such file")).collect()
        }
    }
}

#[test]
fn every_example_of_the_pages_is_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut read = 0;
    for path in pages.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        for (line, example) in examples(&fs::read_to_string(&path).unwrap()) {
            if !FOREIGN.contains(&first_key(&example)) {
                assert_eq!(complaints(&example), [""; 0], "{}:{line}", path.display());
                read += 1;
            }
        }
    }
    assert!(read >= 25, "{read} examples");
}

#[test]
fn an_example_with_a_mistake_is_found() {
    let page = "text\n\n- list:\n  ```yaml\n  # ours\n  rerank: { windo: 3 }\n  ```\n";
    let [(line, example)] = &examples(page)[..] else { panic!("no example") };
    assert_eq!((*line, first_key(example)), (5, "rerank"));
    assert_eq!(complaints(example).len(), 1);
}
