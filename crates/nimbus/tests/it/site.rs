//! The documentation that the program serves, as anybody reads it.

use std::collections::BTreeSet;

use ureq::http::Method;

use crate::support::{Anonymous, Engine, Reply, Store};

fn get(client: &Anonymous, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(Method::GET, path, headers, None)
}

fn page(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.bytes).expect("a page is text")
}

/// The paths that a page leads to or loads, on this host.
fn paths(html: &str) -> BTreeSet<String> {
    let parts = html.split(" href=\"").chain(html.split(" src=\"")).skip(1);
    let paths = parts.filter_map(|rest| rest.split(['"', '#']).next());
    paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn anybody_reads_it_and_every_page_leads_to_others() {
    let store = Store::sandbox(Engine::Sqlite);
    let seed = store.seed();
    let server = store.serve();
    let client = server.anonymous();
    let mut known = BTreeSet::from(["/guides".to_owned(), "/changelog".to_owned(), "/api-terms".to_owned()]);
    let mut read = BTreeSet::new();
    while let Some(path) = known.difference(&read).next().cloned() {
        let reply = get(&client, &path, &[]);
        assert_eq!(reply.status, 200, "{path}");
        if reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let policy = reply.header("content-security-policy").expect("a policy");
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("script-src 'unsafe"),
                "{policy}"
            );
            let html = page(&reply);
            assert!(!html.contains("<script>") && !html.contains(" onclick"), "{path}");
            known.extend(paths(html));
        }
        read.insert(path);
    }
    assert!(read.len() > 40 && read.contains("/api-reference/orders"), "{read:?}");

    let tag = get(&client, "/guides", &[]).header("etag").expect("a tag").to_owned();
    assert_eq!(get(&client, "/guides", &[("if-none-match", &tag)]).status, 304);
    // The same with whatever somebody brings along.
    assert_eq!(get(&client, "/guides", &[("x-api-key", "nonsense")]).status, 200);
    let mine = [("x-api-key", seed.keys.integration.as_str())];
    assert_eq!(get(&client, "/guides", &mine).bytes, get(&client, "/guides", &[]).bytes);
}

#[test]
fn what_is_not_there_is_a_page_too() {
    let server = Store::sandbox(Engine::Sqlite).serve();
    let client = server.anonymous();
    for path in
        ["/guides/nothing", "/guides/%3Cscript%3E", "/guides/..%2Fapi-terms", "/api-reference/operations"]
    {
        let reply = get(&client, path, &[]);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (404, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(!page(&reply).contains("script>"), "{path}");
    }
    assert_eq!(client.send(Method::POST, "/guides", &[], None).status, 405);
}

#[test]
fn requests_are_tried_in_a_sandbox_alone() {
    for (store, may_try) in
        [(Store::sandbox(Engine::Sqlite), "\"true\""), (Store::production(Engine::Sqlite), "\"false\"")]
    {
        let server = store.serve();
        let reply = get(&server.anonymous(), "/api-reference/partner", &[]);
        assert!(page(&reply).contains(&format!("data-may-try={may_try}")), "{}", page(&reply));
    }
}
