//! The pages: every link leads somewhere, the README is short and leads to all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where a reader begins.
const README: &str = "README.md";
/// Folders whose pages are held to these rules.
const FOLDERS: [&str; 8] = [
    ".",
    "docs",
    "benches",
    "benches/fleet",
    "benches/proxy",
    "benches/tenants",
    "deploy/helm/rerankd",
    "tests/cluster",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every page by its path from the root, without `.`.
fn pages() -> BTreeMap<PathBuf, String> {
    let in_folder =
        |folder: &str| fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
    let paths = FOLDERS.into_iter().flat_map(in_folder).filter(is_page);
    paths
        .map(|path| (plain(path.strip_prefix(root()).unwrap()), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The path with its `.` and `..` resolved.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part.as_os_str().to_str() {
            Some("..") => assert!(plain.pop(), "{path:?} leaves the repository"),
            Some(".") => {}
            _ => plain.push(part),
        }
        plain
    })
}

/// The lines outside of code blocks.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchors that GitHub gives a page's headings; the second one of a name ends in `-1`.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let headings = prose(page).filter(|line| line.starts_with('#')).filter_map(|line| line.split_once(' '));
    headings
        .map(|(_, title)| {
            let kept = title.to_lowercase().replace(' ', "-");
            let kept: String =
                kept.chars().filter(|&c| c.is_alphanumeric() || c == '-' || c == '_').collect();
            let nth = seen.entry(kept.clone()).or_default();
            *nth += 1;
            if *nth == 1 { kept } else { format!("{kept}-{}", *nth - 1) }
        })
        .collect()
}

/// The targets of a page's links within this repository.
fn links(page: &str) -> Vec<&str> {
    let targets =
        prose(page).flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let wrong = |from: &Path, target: &str| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let to = if file.is_empty() { from.to_owned() } else { plain(&from.parent().unwrap().join(file)) };
        let has_anchor = || anchors(&fs::read_to_string(root().join(&to)).unwrap()).contains(anchor);
        !root().join(&to).exists() || !anchor.is_empty() && !has_anchor()
    };
    let all = pages.iter().flat_map(|(from, page)| links(page).into_iter().map(move |target| (from, target)));
    let all: Vec<(&PathBuf, &str)> = all.collect();
    assert!(all.len() > 100, "{} links", all.len());
    let wrong: Vec<_> = all.into_iter().filter(|(from, target)| wrong(from, target)).collect();
    assert!(wrong.is_empty(), "lead nowhere: {wrong:#?}");
}

#[test]
fn the_readme_is_short_and_leads_to_every_page() {
    let pages = pages();
    let readme = &pages[Path::new(README)];
    assert!(readme.lines().count() <= 200, "{} lines", readme.lines().count());
    let linked: BTreeSet<&str> = links(readme).iter().map(|link| link.split('#').next().unwrap()).collect();
    let docs = pages.keys().filter(|path| path.starts_with("docs")).map(|path| path.to_str().unwrap());
    let missing: Vec<&str> = docs.filter(|page| !linked.contains(page)).collect();
    assert!(missing.is_empty(), "no link to {missing:?}");
}

#[test]
fn anchors_are_made_as_github_makes_them() {
    let page = "# `lexical`: the fallback\n## A\n```sh\n# no heading\n```\n## A\n### What's *new*, v2?\n## no_text\n";
    let expected = ["lexical-the-fallback", "a", "a-1", "whats-new-v2", "no_text"];
    assert_eq!(anchors(page), expected.map(str::to_owned).into());
}
