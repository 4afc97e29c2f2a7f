//! The documentation as pages: guides, terms and the changelog, written in Markdown in `docs/`, and the page of the API
//! reference. Whatever they need is in the program; nothing is loaded from elsewhere.

mod index;
mod layout;
mod markdown;
mod reference;

use std::collections::BTreeMap;

use bytes::Bytes;
use maud::Markup;

use crate::{
    index::Group,
    markdown::{Document, Heading},
};

const GUIDES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/guides.rs"));
const INDEX: &str = include_str!("../../../docs/guides/index.toml");
const TERMS: &str = include_str!("../../../docs/api-terms.md");
const CHANGELOG: &str = include_str!("../../../CHANGELOG.md");

/// What differs between deployments.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The platform's name.
    pub name: String,
    /// Whether requests may be sent from the API reference: to a sandbox, never to production.
    pub may_try: bool,
}

/// A page, or a file that pages need.
#[derive(Debug, Clone)]
pub struct Page {
    pub media_type: &'static str,
    pub body: Bytes,
    pub policy: Policy,
}

/// What a page's browser may load and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Our style sheet, and nothing else.
    Static,
    /// The reference: our own scripts too, and requests to our own host.
    Reference,
}

impl Page {
    fn new(media_type: &'static str, body: impl Into<Bytes>, policy: Policy) -> Self {
        Self { media_type, body: body.into(), policy }
    }

    fn html(markup: Markup, policy: Policy) -> Self {
        Self::new("text/html; charset=utf-8", markup.into_string(), policy)
    }
}

/// Every page by its path.
#[derive(Debug)]
pub struct Site(BTreeMap<String, Page>);

impl Site {
    pub fn new(settings: &Settings) -> Self {
        let documents: BTreeMap<&str, Document> =
            GUIDES.iter().map(|(name, text)| (*name, markdown::read(text))).collect();
        let groups = index::read(INDEX, &documents);
        let shell = |path: &str, document: &Document| {
            layout::page(settings, &groups, &layout::Content::of(path, document))
        };
        let mut pages = BTreeMap::new();
        for (name, document) in &documents {
            let path = format!("/guides/{name}");
            pages.insert(path.clone(), Page::html(shell(&path, document), Policy::Static));
        }
        pages.insert("/guides".to_owned(), Page::html(index_page(settings, &groups), Policy::Static));
        for (path, text) in [("/api-terms", TERMS), ("/changelog", CHANGELOG)] {
            pages.insert(path.to_owned(), Page::html(shell(path, &markdown::read(text)), Policy::Static));
        }
        pages.extend(reference::pages(settings, &groups));
        let style = Page::new("text/css; charset=utf-8", layout::STYLE, Policy::Static);
        pages.insert(layout::STYLE_PATH.to_owned(), style);
        Self(pages)
    }

    /// The page at a path.
    pub fn page(&self, path: &str) -> Option<&Page> {
        self.0.get(path)
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn index_page(settings: &Settings, groups: &[Group]) -> Markup {
    let body = layout::cards(groups);
    let content = layout::Content {
        path: "/guides",
        title: "Guides",
        anchor: None,
        summary: "From the first request to a pharmacy that ships: read in this order, or where you are.",
        headings: &[] as &[Heading],
        body: &body,
    };
    layout::page(settings, groups, &content)
}

#[cfg(test)]
mod tests;
