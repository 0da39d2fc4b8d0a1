//! What is shown both in the table and in JSON.

use crate::{
    document::{AUTO_FIELDS, NODE_CONTENT},
    search::{FieldSet, MostHits, Strip, WantedFields},
};

/// The fields that documents are made of; `*` for all that hold text.
pub fn field_names(fields: &FieldSet) -> Vec<String> {
    match fields {
        FieldSet::Auto => AUTO_FIELDS.iter().chain(&[NODE_CONTENT]).map(|&name| name.to_owned()).collect(),
        FieldSet::Named(names) => names.clone(),
        FieldSet::Template(template) => template.fields().to_vec(),
        FieldSet::All => vec!["*".to_owned()],
    }
}

/// The fields that the database was asked for, whatever the client asked to see.
pub fn wanted(fields: &WantedFields) -> Vec<String> {
    match fields {
        WantedFields::Named(names) => names.to_vec(),
        WantedFields::All => vec!["*".to_owned()],
    }
}

/// What was taken out of hits again, as dotted paths.
pub fn taken_out(strips: &[Strip]) -> Vec<String> {
    let mut names = Vec::new();
    for strip in strips {
        names.extend(strip.paths.iter().map(|path| path.keys.join(".")));
        if let Some(selection) = &strip.selection {
            names.push(format!("{}, but what the client asked for", selection.member));
        }
        if let Some(most) = strip.total_at_most {
            names.push(match most {
                MostHits::InAll(most) => format!("hits.total over {most}"),
                MostHits::OnEachShard(most) => format!("hits.total over {most} a shard"),
            });
        }
    }
    names.dedup();
    names
}
