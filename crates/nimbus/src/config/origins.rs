//! Origins whose pages may call.

use http::Uri;
use nimbus_core::access::Environment;

use crate::Failure;

/// The origins of a list separated by commas: exact ones of https and, in a sandbox, of http on this machine, or `*`.
pub(super) fn origins(list: Option<&str>, environment: Environment) -> Result<Vec<String>, Failure> {
    let list = list.unwrap_or_default().split(',').map(str::trim).filter(|origin| !origin.is_empty());
    list.map(|origin| {
        if is_origin(origin, environment) {
            return Ok(origin.to_owned());
        }
        let local = match environment {
            Environment::Sandbox => " (a sandbox also takes http://localhost:port, and *)",
            Environment::Production => "",
        };
        Err(format!("cors_origins takes exact origins such as https://app.example.com{local}").into())
    })
    .collect()
}

fn is_origin(text: &str, environment: Environment) -> bool {
    let sandbox = environment == Environment::Sandbox;
    if text == "*" {
        return sandbox;
    }
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    // As browsers write it: no path, no user, no port left empty, in lower case.
    let is_exact = text == format!("{scheme}://{authority}").to_lowercase()
        && !authority.as_str().contains(['@', '*'])
        && !authority.as_str().ends_with(':');
    is_exact && (scheme == "https" || scheme == "http" && is_local(authority.host()) && sandbox)
}

pub(super) fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}
