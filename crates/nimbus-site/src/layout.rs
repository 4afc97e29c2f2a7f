//! What is around every page: the head, the navigation, the list of what is on it.

use maud::{DOCTYPE, Markup, html};

use crate::{
    Settings,
    index::Group,
    markdown::{Document, Heading},
};

pub(crate) const STYLE: &str = include_str!("assets/site.css");
pub(crate) const STYLE_PATH: &str = "/assets/site.css";

/// The pages at the top.
const TOP: [(&str, &str); 3] =
    [("/guides", "Guides"), ("/api-reference", "API reference"), ("/changelog", "Changelog")];

/// What is on a page.
pub(crate) struct Content<'a> {
    pub(crate) path: &'a str,
    pub(crate) title: &'a str,
    /// The anchor of the title, if it is linked to.
    pub(crate) anchor: Option<&'a str>,
    pub(crate) summary: &'a str,
    pub(crate) headings: &'a [Heading],
    pub(crate) body: &'a Markup,
}

impl<'a> Content<'a> {
    pub(crate) fn of(path: &'a str, document: &'a Document) -> Self {
        let Document { title, summary, headings, body } = document;
        Self { path, title: &title.text, anchor: Some(&title.id), summary, headings, body }
    }
}

/// A whole page.
pub(crate) fn page(settings: &Settings, groups: &[Group], content: &Content<'_>) -> Markup {
    let navigation = navigation(groups, content.path);
    let body = html! {
        div.columns {
            nav.guides aria-label="Guides" { (navigation) }
            main id="content" tabindex="-1" {
                details.guides { summary { "All guides" } nav aria-label="All guides" { (navigation) } }
                h1 id=[content.anchor] { (content.title) }
                (content.body)
                (neighbours(groups, content.path))
            }
            @if content.headings.len() > 1 {
                nav.here aria-label="On this page" {
                    p { "On this page" }
                    ul { @for it in content.headings { li { a href={ "#" (it.id) } { (it.text) } } } }
                }
            }
        }
    };
    shell(settings, content, &html! {}, &body)
}

/// What every page has, whatever its columns; `head` is what it needs besides.
pub(crate) fn shell(settings: &Settings, content: &Content<'_>, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(content.summary);
                title { (content.title) " · " (settings.name) }
                link rel="stylesheet" href=(STYLE_PATH);
                (head)
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    a.name href="/guides" { (settings.name) " " span { "for developers" } }
                    nav aria-label="Site" {
                        @for (path, title) in TOP {
                            @let is_here = content.path.starts_with(path);
                            a href=(path) aria-current=[is_here.then_some("true")] { (title) }
                        }
                    }
                }
                (body)
                footer {
                    a href="/api-terms" { "API terms" }
                    a href="/guides/support" { "Support" }
                    a href="/guides/deprecation" { "Deprecation policy" }
                }
            }
        }
    }
}

fn navigation(groups: &[Group], here: &str) -> Markup {
    html! {
        @for group in groups {
            p { (group.title) }
            ul {
                @for guide in &group.guides {
                    @let current = (guide.path == here).then_some("page");
                    li { a href=(guide.path) aria-current=[current] { (guide.title) } }
                }
            }
        }
    }
}

/// The guides before and after this one.
fn neighbours(groups: &[Group], here: &str) -> Markup {
    let all: Vec<_> = groups.iter().flat_map(|group| &group.guides).collect();
    let Some(at) = all.iter().position(|guide| guide.path == here) else { return html! {} };
    let (before, after) = (at.checked_sub(1).map(|at| all[at]), all.get(at + 1));
    html! {
        nav.neighbours aria-label="Before and after" {
            @if let Some(guide) = before { a rel="prev" href=(guide.path) { span { "Before" } (guide.title) } }
            @if let Some(guide) = after { a rel="next" href=(guide.path) { span { "Next" } (guide.title) } }
        }
    }
}

/// Every guide with what it says of itself.
pub(crate) fn cards(groups: &[Group]) -> Markup {
    html! {
        p { "From the first request to a pharmacy that ships: read in this order, or where you are." }
        @for group in groups {
            h2 { (group.title) }
            ul.cards {
                @for guide in &group.guides {
                    li { a href=(guide.path) { strong { (guide.title) } span { (guide.summary) } } }
                }
            }
        }
    }
}
