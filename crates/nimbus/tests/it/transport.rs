//! Connections: TLS, what the server takes for one request, whom it gives a place, and what it tells operators.

mod admin;
mod headers;
mod limits;
mod proxies;
mod raw;
mod smuggling;
mod tls;
