//! Markdown as our documents use it: CommonMark with tables, headings that can be linked to, and code in several
//! languages side by side. HTML in it is shown, not obeyed.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{
    CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html,
};

/// A document, read.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its one heading of the first level.
    pub(crate) title: Heading,
    /// The first paragraph, as plain text.
    pub(crate) summary: String,
    /// Those of the second level.
    pub(crate) headings: Vec<Heading>,
    /// All that comes after the title.
    pub(crate) body: Markup,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// A block of code: its language and other words of its first line.
struct Code {
    info: String,
    text: String,
}

impl Code {
    fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or_default()
    }

    fn has(&self, word: &str) -> bool {
        self.info.split_whitespace().skip(1).any(|other| other == word)
    }

    /// The file of the repository that it is a part of.
    fn file(&self) -> Option<&str> {
        self.info.split_whitespace().find_map(|word| word.strip_prefix("file="))
    }

    fn name(&self) -> Option<&'static str> {
        match self.language() {
            "sh" if self.text.contains("curl") => Some("curl"),
            "sh" => Some("Shell"),
            "js" => Some("Node.js"),
            "python" => Some("Python"),
            _ => None,
        }
    }

    /// What stands over it: a language, a file, or that it is what comes out.
    fn label(&self) -> Option<&str> {
        if self.has("output") { Some("Output") } else { self.file().or(self.name()) }
    }

    /// Whether it says in one language what its neighbours say in others.
    fn is_choice(&self) -> bool {
        ["sh", "js", "python"].contains(&self.language()) && !self.has("output")
    }

    fn plain(&self) -> Markup {
        html! { pre tabindex="0" { code { (self.text) } } }
    }

    fn alone(&self) -> Markup {
        html! {
            figure.code {
                @if let Some(label) = self.label() { figcaption { (label) } }
                (self.plain())
            }
        }
    }
}

/// Reads a document.
pub(crate) fn read(text: &str) -> Document {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let events = with_links(Parser::new_ext(text, options));
    let (mut summary, mut headings, mut out) = (String::new(), Vec::new(), Vec::new());
    let mut choices: Vec<Code> = Vec::new();
    let mut groups = 0;
    let mut at = 0;
    while let Some(event) = events.get(at) {
        if let Event::Start(Tag::CodeBlock(kind)) = event {
            let (code, next) = code_block(&events, at, kind);
            at = next;
            // A language that is there already begins another step.
            if !code.is_choice() || choices.iter().any(|other| other.language() == code.language()) {
                show(&mut out, &mut choices, &mut groups);
            }
            match code.is_choice() {
                true => choices.push(code),
                false => out.push(raw(code.alone())),
            }
            continue;
        }
        show(&mut out, &mut choices, &mut groups);
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let (inner, next) = until_end(&events, at);
                let text = plain(inner);
                at = next;
                let id = slug(&text, &headings);
                // The title stands over the page.
                if !headings.is_empty() {
                    out.push(raw(heading(*level, &id, inner)));
                }
                headings.push((*level, Heading { id, text }));
                continue;
            }
            Event::Start(Tag::Paragraph) if summary.is_empty() => {
                summary = plain(until_end(&events, at).0);
                out.push(event.clone());
            }
            other => out.push(inert(other)),
        }
        at += 1;
    }
    show(&mut out, &mut choices, &mut groups);
    let mut body = String::new();
    push_html(&mut body, out.into_iter());
    let title = headings.first().map(|(_, title)| title.clone()).expect("a document has a title");
    // Smaller ones are linked to as well, and not listed.
    let listed = headings.into_iter().filter(|(level, _)| *level == HeadingLevel::H2);
    let headings = listed.map(|(_, heading)| heading).collect();
    Document { title, summary, headings, body: PreEscaped(body) }
}

fn raw(markup: Markup) -> Event<'static> {
    Event::Html(CowStr::from(markup.into_string()))
}

/// The blocks that wait, side by side if there are several.
fn show(out: &mut Vec<Event<'_>>, choices: &mut Vec<Code>, groups: &mut usize) {
    let codes = std::mem::take(choices);
    match codes.as_slice() {
        [] => {}
        [one] => out.push(raw(one.alone())),
        several => {
            *groups += 1;
            out.push(raw(side_by_side(several, *groups)));
        }
    }
}

/// Without a script: each is chosen by a button of a group, of which one is on.
fn side_by_side(codes: &[Code], group: usize) -> Markup {
    let name = format!("code-{group}");
    html! {
        div.choices role="group" aria-label="The same in several languages" {
            @for (number, code) in codes.iter().enumerate() {
                @let id = format!("{name}-{number}");
                input type="radio" name=(name) id=(id) checked[number == 0];
                label for=(id) { (code.name().unwrap_or_default()) }
            }
            @for code in codes {
                div { @if let Some(file) = code.file() { p { (file) } } (code.plain()) }
            }
        }
    }
}

/// The block that begins here, and where what comes after it does.
fn code_block(events: &[Event<'_>], at: usize, kind: &CodeBlockKind<'_>) -> (Code, usize) {
    let (inner, next) = until_end(events, at);
    let info = match kind {
        CodeBlockKind::Fenced(info) => info.to_string(),
        CodeBlockKind::Indented => String::new(),
    };
    (Code { info, text: plain(inner) }, next)
}

/// What is inside of the element that begins here, and where what comes after it begins.
fn until_end<'a, 'e>(events: &'a [Event<'e>], at: usize) -> (&'a [Event<'e>], usize) {
    let mut depth = 0_usize;
    for (offset, event) in events[at..].iter().enumerate() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&events[at + 1..at + offset], at + offset + 1);
        }
    }
    (&events[at + 1..], events.len())
}

fn plain(events: &[Event<'_>]) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    text
}

fn heading(level: HeadingLevel, id: &str, inner: &[Event<'_>]) -> Markup {
    let mut text = String::new();
    push_html(&mut text, inner.iter().map(inert));
    let text = PreEscaped(text);
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 => html! { h2 id=(id) { a href={ "#" (id) } { (text) } } },
        HeadingLevel::H3 => html! { h3 id=(id) { a href={ "#" (id) } { (text) } } },
        _ => html! { h4 id=(id) { a href={ "#" (id) } { (text) } } },
    }
}

/// The anchor of a heading, as GitHub makes it: small letters, hyphens for spaces, no punctuation.
fn slug(text: &str, before: &[(HeadingLevel, Heading)]) -> String {
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    let slug: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
    let is_taken = |id: &str| before.iter().any(|(_, heading)| heading.id == id);
    let numbered = (1..).map(|number| format!("{slug}-{number}"));
    std::iter::once(slug.clone()).chain(numbered).find(|id| !is_taken(id)).unwrap_or(slug)
}

/// The event with HTML as text.
fn inert<'e>(event: &Event<'e>) -> Event<'e> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text.clone()),
        other => other.clone(),
    }
}

/// The events with links as the site has them. What is in the repository alone, such as a guide for operators, is named
/// and not linked to.
fn with_links<'e>(events: impl Iterator<Item = Event<'e>>) -> Vec<Event<'e>> {
    let mut is_linked = true;
    let mut kept = Vec::new();
    for event in events {
        match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = target(&dest_url);
                is_linked = dest_url.is_some();
                let link = dest_url.map(|to| Tag::Link { link_type, dest_url: to.into(), title, id });
                kept.extend(link.map(Event::Start));
            }
            Event::End(TagEnd::Link) if !is_linked => is_linked = true,
            other => kept.push(other),
        }
    }
    kept
}

/// Where a link of a file in the repository goes on the site, if its target is there.
fn target(link: &str) -> Option<String> {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, format!("#{anchor}")),
        None => (link, String::new()),
    };
    if file.is_empty() || file.contains("://") || file.starts_with('/') {
        return Some(link.to_owned());
    }
    let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".md");
    match name {
        "CHANGELOG" => Some(format!("/changelog{anchor}")),
        "api-terms" => Some(format!("/api-terms{anchor}")),
        guide if crate::GUIDES.iter().any(|(name, _)| *name == guide) => {
            Some(format!("/guides/{guide}{anchor}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_parts() {
        let document =
            read("# Orders\n\nWhat an *order* is.\n\n## One `id`\n\nText.\n\n### Deeper\n\n## One id\n");
        assert_eq!(
            (document.title.text.as_str(), document.summary.as_str()),
            ("Orders", "What an order is.")
        );
        let ids: Vec<&str> = document.headings.iter().map(|heading| heading.id.as_str()).collect();
        assert_eq!(ids, ["one-id", "one-id-1"]);
        let body = document.body.into_string();
        assert!(body.contains(r##"<h3 id="deeper"><a href="#deeper">Deeper</a></h3>"##), "{body}");
        assert!(!body.contains("<h1"), "{body}");
    }

    #[test]
    fn neighbours_in_several_languages_are_a_choice() {
        let text = "# A\n\n```sh run\ncurl <x>\n```\n\n```js run\nfetch()\n```\n\n```json output\n{}\n```\n\n```sh run\nls\n```\n";
        let body = read(text).body.into_string();
        assert_eq!(body.matches("type=\"radio\"").count(), 2, "{body}");
        assert!(body.contains("<figcaption>Output</figcaption>"), "{body}");
        assert!(body.contains("curl &lt;x&gt;"), "{body}");
        assert_eq!(body.matches("<pre").count(), 4, "{body}");
    }

    #[test]
    fn html_is_shown() {
        let body = read("# A\n\n<script>alert(1)</script>\n\nB <b onclick=x>c</b>\n").body.into_string();
        assert!(body.contains("&lt;script&gt;") && body.contains("&lt;b onclick"), "{body}");
    }

    #[test]
    fn links_go_where_the_site_has_them() {
        let links = [
            ("webhooks.md", "/guides/webhooks"),
            ("guides/hipaa.md#duties", "/guides/hipaa#duties"),
            ("../CHANGELOG.md", "/changelog"),
            ("../api-terms.md", "/api-terms"),
            ("/api-reference", "/api-reference"),
            ("#here", "#here"),
            ("https://semver.org/", "https://semver.org/"),
        ];
        for (link, wanted) in links {
            assert_eq!(target(link).as_deref(), Some(wanted));
        }
        assert_eq!(target("docs/staff.md"), None);
        let body = read("# A\n\nSee [staff](docs/staff.md) and [more](webhooks.md).\n").body.into_string();
        assert!(body.contains("See staff and <a href=\"/guides/webhooks\">more</a>."), "{body}");
    }
}
