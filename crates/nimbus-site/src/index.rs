//! The guides in the order of their navigation.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::markdown::Document;

/// Guides under one heading.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) guides: Vec<Guide>,
}

#[derive(Debug)]
pub(crate) struct Guide {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) summary: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    group: Vec<IndexGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexGroup {
    title: String,
    guides: Vec<String>,
}

/// The groups of the index, with what their guides say of themselves.
pub(crate) fn read(index: &str, documents: &BTreeMap<&str, Document>) -> Vec<Group> {
    let index: Index = toml::from_str(index).expect("the index was read when this was built");
    let guide = |file: &String| {
        let name = file.trim_end_matches(".md");
        let document = &documents[name];
        Guide {
            path: format!("/guides/{name}"),
            title: document.title.text.clone(),
            summary: document.summary.clone(),
        }
    };
    let group = |group: &IndexGroup| Group {
        title: group.title.clone(),
        guides: group.guides.iter().map(guide).collect(),
    };
    index.group.iter().map(group).collect()
}
