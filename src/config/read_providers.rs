//! The `providers` section and the names that other sections use.

use std::collections::HashMap;

use super::{
    elsewhere,
    node::Node,
    problem::Problems,
    read_provider::{kinds, provider},
    section::Section,
    values::nearest,
};
use crate::rerank::ProviderSettings;

/// The providers that are configured, and the built-in ones that are used without being so. `uses` are the lists
/// of names, each with its section.
pub(super) fn providers(
    top: &Section<'_>,
    env: &HashMap<String, String>,
    uses: &[(String, &[String])],
    problems: &mut Problems,
) -> Vec<ProviderSettings> {
    let names: Vec<&str> = match top.node("providers") {
        Some(Node { value: super::node::Value::Map(entries), .. }) => {
            entries.iter().map(|entry| entry.key.as_str()).collect()
        }
        _ => Vec::new(),
    };
    let all = Section::open(top.node("providers"), "providers", &names, elsewhere::hint, problems);
    let mut providers: Vec<ProviderSettings> =
        all.entries().iter().map(|entry| provider(&entry.key, Some(&entry.node), env, problems)).collect();

    for (path, names) in uses {
        for name in *names {
            if providers.iter().any(|provider| provider.name == *name) {
                continue;
            }
            if kinds().contains(&name.as_str()) {
                providers.push(provider(name, None, env, problems));
                continue;
            }
            let mut known: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
            known.extend(kinds());
            let hint = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("define providers.{name}."),
            };
            let (origin, path) = place(top, path);
            problems.add(&path, &origin, format!("there is no provider `{name}`; {hint}"));
        }
    }
    providers
}

/// Where a list of providers is written.
fn place(top: &Section<'_>, path: &str) -> (super::origin::Origin, String) {
    use super::{node::Value, origin::Origin};
    let section = match path.strip_prefix("routes[").and_then(|rest| rest.strip_suffix(']')) {
        Some(index) => match top.node("routes").map(|node| &node.value) {
            Some(Value::List(items)) => index.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => None,
        },
        None => match path.strip_prefix("tenants.names.") {
            Some(name) => top.again("tenants").again("names").node(name),
            None => top.node(path),
        },
    };
    let list = match section.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().find(|entry| entry.key == "providers"),
        _ => None,
    };
    (list.map_or(Origin::Nowhere, |entry| entry.node.origin.clone()), format!("{path}.providers"))
}
