//! The API reference: each document shown by Swagger UI, which is in the program, with our colours.

use maud::{Markup, html};

use crate::{
    Page, Policy, Settings,
    index::Group,
    layout::{self, Content},
};

const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js"));
const BUNDLE_STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css"));
const SCRIPT: &str = include_str!("assets/reference.js");
const STYLE: &str = include_str!("assets/reference.css");

/// A document that partners read.
struct Api {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
}

const APIS: [Api; 3] = [
    Api {
        name: "integration",
        title: "Integration API",
        summary: "Practitioners, patients, medication orders, refill requests, shipments, webhooks and events, under \
            /api/external: snake_case, UUIDs.",
    },
    Api {
        name: "orders",
        title: "Orders API",
        summary: "Orders and refills of prescriptions on file, tracking, webhooks and events: camelCase, prefixed ids.",
    },
    Api {
        name: "partner",
        title: "Partner API",
        summary: "What of the integration API a key of the pharmacy_partner profile may do.",
    },
];

/// The pages of the reference, and the files that they need.
pub(crate) fn pages(settings: &Settings, groups: &[Group]) -> Vec<(String, Page)> {
    let mut pages = vec![("/api-reference".to_owned(), Page::html(index(settings, groups), Policy::Static))];
    for api in &APIS {
        let path = format!("/api-reference/{}", api.name);
        let page = Page::html(reference(settings, &path, api), Policy::Reference);
        pages.push((path, page));
    }
    let file = |name: &str, media_type, body: &'static [u8]| {
        (format!("/assets/{name}"), Page::new(media_type, body, Policy::Static))
    };
    let (script, style) = ("text/javascript; charset=utf-8", "text/css; charset=utf-8");
    pages.extend([
        file("swagger-ui-bundle.js", script, BUNDLE),
        file("swagger-ui.css", style, BUNDLE_STYLE),
        file("reference.js", script, SCRIPT.as_bytes()),
        file("reference.css", style, STYLE.as_bytes()),
    ]);
    pages
}

fn index(settings: &Settings, groups: &[Group]) -> Markup {
    let body = html! {
        p {
            "Every operation with its fields, refusals and examples. "
            @if settings.may_try {
                "Requests can be sent from here: to this sandbox, with your key, and to nothing else."
            } @else {
                "To send requests from the page, open it in the sandbox."
            }
        }
        ul.cards {
            @for api in &APIS {
                li {
                    a href={ "/api-reference/" (api.name) } {
                        strong { (api.title) }
                        span { (api.summary) }
                    }
                }
            }
        }
        h2 { "The documents themselves" }
        p { "OpenAPI 3.1, for generators and tools:" }
        ul {
            @for api in &APIS {
                li { a href={ "/openapi/" (api.name) ".json" } { "/openapi/" (api.name) ".json" } }
            }
        }
    };
    let content = Content {
        path: "/api-reference",
        title: "API reference",
        anchor: None,
        summary: "Every operation of both APIs, with fields, refusals and examples.",
        headings: &[],
        body: &body,
    };
    layout::page(settings, groups, &content)
}

fn reference(settings: &Settings, path: &str, api: &Api) -> Markup {
    let head = html! {
        link rel="stylesheet" href="/assets/swagger-ui.css";
        link rel="stylesheet" href="/assets/reference.css";
        script src="/assets/swagger-ui-bundle.js" defer {}
        script src="/assets/reference.js" defer {}
    };
    let document = format!("/openapi/{}.json", api.name);
    let body = html! {
        main.reference id="content" tabindex="-1" {
            h1 { (api.title) }
            p { (api.summary) " " a href=(document) download { "Download as OpenAPI 3.1" } }
            div id="reference" data-document=(document) data-may-try=(settings.may_try) {
                noscript { p { "The reference is drawn by a script. The document above says the same." } }
            }
        }
    };
    let content = Content {
        path,
        title: api.title,
        anchor: None,
        summary: api.summary,
        headings: &[],
        body: &html! {},
    };
    layout::shell(settings, &content, &head, &body)
}
