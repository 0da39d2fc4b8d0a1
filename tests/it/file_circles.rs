//! No file imports one that imports it, whichever way around.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Two halves of one thing, each in a file of its own: a permit knows whom to give itself back to.
const TIED: [[&str; 2]; 3] = [
    ["eval/evaluation", "eval/expense"],
    ["rerank/limits/entry", "rerank/limits/gate"],
    ["upstream/pool", "upstream/response_body"],
];

type Module = Vec<String>;

/// The modules of `src` and their code, tests apart.
fn modules(folder: &Path, at: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "tests" {
            modules(&path, &[at, &[name]].concat(), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_of_tests(&name) {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let own = if name == "mod" { at.to_vec() } else { [at, &[name]].concat() };
            found.insert(own, code);
        }
    }
}

fn is_of_tests(name: &str) -> bool {
    name == "tests" || name == "test_support" || name.ends_with("_tests")
}

/// The paths of a `use`, its groups taken apart.
fn paths(tree: &str) -> Vec<Vec<String>> {
    let Some((before, group)) = tree.split_once('{') else {
        return vec![tree.split("::").map(|name| name.trim().to_owned()).collect()];
    };
    let prefix: Vec<String> =
        before.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
    let (mut depth, mut entries) = (0, vec![String::new()]);
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => entries.push(String::new()),
            c => entries.last_mut().unwrap().push(c),
        }
    }
    let entries = entries.iter().filter(|entry| !entry.trim().is_empty());
    entries.flat_map(|entry| paths(entry)).map(|path| [&prefix[..], &path].concat()).collect()
}

/// The module that a path in the code of another one leads into.
fn target(all: &BTreeMap<Module, String>, of: &[String], path: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let full: Module = match path.first()?.as_str() {
        "crate" => path[1..].to_vec(),
        "super" => [&of[..of.len().checked_sub(ups)?], &path[ups..]].concat(),
        "self" => [of, &path[1..]].concat(),
        _ => [of, path].concat(),
    };
    (1..=full.len()).rev().map(|length| full[..length].to_vec()).find(|module| all.contains_key(module))
}

/// Who imports whom; a folder and what stands in it are one.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let mut all = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut all);
    let of = |(module, code): (&Module, &String)| {
        let uses = code.split(";\n").filter_map(|statement| {
            let (_, tree) = statement.rsplit_once("use ")?;
            (!tree.contains("//")).then(|| paths(tree))
        });
        let targets = uses.flatten().filter_map(|path| target(&all, module, &path));
        let apart = targets.filter(|other| !module.starts_with(other) && !other.starts_with(module));
        (module.clone(), apart.collect())
    };
    all.iter().map(of).collect()
}

/// Everything that can be reached from a module.
fn reached(imports: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(module) = open.pop() {
        for next in imports.get(&module).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn no_two_files_import_each_other_on_any_way() {
    let mut imports = imports();
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 500, "imports are found");
    let module = |name: &str| -> Module { name.split('/').map(str::to_owned).collect() };
    for [a, b] in TIED {
        let tie = imports.get_mut(&module(a)).is_some_and(|others| others.remove(&module(b)));
        assert!(tie && imports[&module(b)].contains(&module(a)), "{a} and {b} are no longer tied");
    }
    let in_circle = |from: &&Module| reached(&imports, from).contains(*from);
    let circles: Vec<String> = imports.keys().filter(in_circle).map(|module| module.join("/")).collect();
    assert!(circles.is_empty(), "{circles:#?}");
}
