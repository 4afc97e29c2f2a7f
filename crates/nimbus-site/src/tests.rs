//! What must hold of every page.

use std::collections::BTreeSet;

use super::*;

fn site(may_try: bool) -> Site {
    Site::new(&Settings { name: "Nimbus <b>".to_owned(), may_try })
}

fn text(page: &Page) -> &str {
    std::str::from_utf8(&page.body).expect("a text")
}

/// The values of an attribute.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let site = site(true);
    let served: BTreeSet<&str> = site.paths().collect();
    for (path, page) in site.0.iter().filter(|(_, page)| page.media_type.starts_with("text/html")) {
        let html = text(page);
        for link in attributes(html, "href").into_iter().chain(attributes(html, "src")) {
            let (target, anchor) =
                link.split_once('#').map_or((link, None), |(to, anchor)| (to, Some(anchor)));
            if target.starts_with("https://") || target.starts_with("/openapi/") {
                continue;
            }
            let target = if target.is_empty() { path } else { target };
            assert!(served.contains(target), "{path} leads to {link}");
            if let Some(anchor) = anchor {
                let ids = attributes(text(&site.0[target]), "id");
                assert!(ids.contains(&anchor), "{path} leads to {link}");
            }
        }
    }
}

#[test]
fn ids_are_unique_and_pages_have_one_title() {
    for (path, page) in site(false).0.iter().filter(|(_, page)| page.media_type.starts_with("text/html")) {
        let html = text(page);
        let ids = attributes(html, "id");
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: {ids:?}");
        assert_eq!((html.matches("<h1").count(), html.matches("<title>").count()), (1, 1), "{path}");
        assert!(html.contains("Nimbus &lt;b&gt;") && !html.contains("Nimbus <b>"), "{path}");
    }
}

#[test]
fn every_guide_is_a_page_and_small() {
    let site = site(true);
    assert!(GUIDES.len() > 25, "{}", GUIDES.len());
    for (name, _) in GUIDES {
        let page = site.page(&format!("/guides/{name}")).expect("a page");
        assert!(page.body.len() < 120 * 1024, "{name}: {} bytes", page.body.len());
        assert_eq!(page.policy, Policy::Static);
    }
    assert!(site.page("/guides/index").is_none() && site.page("/guides/../api-terms").is_none());
}

#[test]
fn requests_are_sent_from_a_sandbox_alone() {
    let of = |may_try| text(site(may_try).page("/api-reference/orders").expect("a page")).to_owned();
    assert!(of(true).contains("data-may-try=\"true\"") && of(false).contains("data-may-try=\"false\""));
}
