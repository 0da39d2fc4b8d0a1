//! Described databases (`dialect: paths`) that what is set means nothing for, or costs more than it seems.

use crate::{
    config::{Config, RerankConfig},
    dialect::paths::{FieldForm, Hits, Operation},
    search::FieldSet,
};

/// Described searches that are widened though their responses seem to continue by a cursor.
pub(super) fn walks(config: &Config) -> Vec<String> {
    const SIGNS: [&str; 5] = ["cursor", "next", "scroll", "continu", "token"];
    let is_cursor = |path: &&Vec<String>| {
        let key = path.last().map(|key| key.to_ascii_lowercase()).unwrap_or_default();
        SIGNS.iter().any(|sign| key.contains(sign))
    };
    let mut warnings = Vec::new();
    for (at, listener) in config.listeners.iter().enumerate() {
        let own = listener.definition.as_ref().filter(|_| listener.dialect_file.is_some());
        for each in own.iter().flat_map(|definition| &definition.operations).filter(|each| each.limit_decides)
        {
            if let Some(path) = each.response.leave_alone.iter().find(is_cursor) {
                warnings.push(format!(
                    "listeners[{at}].dialect_file: operations.{} has limit_decides, and leaves responses with `{}` \
                     alone: if every response has that member, also as null, each widened search is sent a second \
                     time; leave limit_decides out then.",
                    each.name,
                    path.join(".")
                ));
            }
        }
    }
    warnings
}

/// The operations of described databases, each with its listener's number.
fn operations(config: &Config) -> impl Iterator<Item = (usize, &Operation)> {
    config.listeners.iter().enumerate().flat_map(|(at, listener)| {
        listener.definition.iter().flat_map(move |of| of.operations.iter().map(move |each| (at, each)))
    })
}

/// The section that reranks by default, and those of routes, with the setting of each.
fn sections(config: &Config) -> impl Iterator<Item = (String, &RerankConfig)> {
    let routes = config.routes.iter().enumerate().map(|(at, route)| (format!("routes[{at}]"), &route.rerank));
    std::iter::once(("rerank".to_owned(), &config.rerank)).chain(routes)
}

/// Annotations that are wanted where there is no place for them.
pub(super) fn columns(config: &Config) -> Vec<String> {
    let Some((setting, _)) = sections(config).find(|(_, section)| section.annotate) else {
        return Vec::new();
    };
    let in_columns = |(_, each): &(usize, &Operation)| matches!(each.response.hits, Hits::Columns(_));
    operations(config)
        .filter(in_columns)
        .map(|(at, each)| {
            format!(
                "{setting}.annotate writes nothing into the responses to `{}` of listeners[{at}]: their hits stand in \
                 columns.",
                each.name
            )
        })
        .collect()
}

/// Every field is wanted where requests name those that come.
pub(super) fn lists(config: &Config) -> Vec<String> {
    let all = sections(config).find(|(_, section)| section.fields == FieldSet::All);
    let Some((setting, _)) = all else { return Vec::new() };
    let named = |(_, each): &(usize, &Operation)| {
        let rows = matches!(each.response.hits, Hits::Rows(_));
        rows && !each.fields.at.is_empty() && each.fields.form != FieldForm::Switch
    };
    operations(config)
        .filter(named)
        .map(|(at, each)| {
            format!(
                "{setting}.fields is every field: where a search names its fields (`{}` of listeners[{at}]), documents \
                 are made of those alone; names in {setting}.fields are asked for.",
                each.name
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn a_described_search_that_is_widened_and_may_go_on_by_a_cursor_is_reported() {
        let (dir, file) = (tempfile::tempdir().unwrap(), "acme.yaml");
        let file = dir.path().join(file);
        let text = format!(
            "listeners: [{{ upstream: {{ url: 'http://h' }}, dialect: paths, dialect_file: '{}' }}]",
            file.display()
        );
        let said = |widens: &str, alone: &str| {
            let definition = format!(
                "operations: {{ find: {{ path: /a, limit: k, limit_decides: {widens}, response: {{ hits: h, leave_alone: [{alone}] }} }} }}"
            );
            fs::write(&file, definition).unwrap();
            crate::config::tests::try_load(&text, &[]).unwrap().warnings()
        };
        let warned = said("true", "meta.next_cursor");
        assert!(warned.len() == 1 && warned[0].contains("`meta.next_cursor`"), "{warned:?}");
        assert!(said("false", "meta.next_cursor").is_empty() && said("true", "groups").is_empty());
    }

    #[test]
    fn annotations_and_every_field_are_reported_where_a_described_database_has_no_way_for_them() {
        let said = |dialect: &str, rerank: &str| {
            let text = format!(
                "listeners: [{{ upstream: {{ url: 'http://h' }}, dialect: {dialect} }}]\nrerank: {{ {rerank} }}"
            );
            crate::config::tests::try_load(&text, &[]).unwrap().warnings()
        };
        let annotated = said("chroma", "annotate: true");
        assert!(
            annotated.len() == 1 && annotated[0].starts_with("rerank.annotate writes nothing"),
            "{annotated:?}"
        );
        assert!(said("solr", "annotate: true").is_empty() && said("chroma", "annotate: false").is_empty());
        let listed = said("solr", "fields: '*'");
        assert!(listed.len() == 1 && listed[0].contains("(`select` of listeners[0])"), "{listed:?}");
        assert!(said("chroma", "fields: '*'").is_empty() && said("solr", "fields: [text]").is_empty());
    }
}
