//! The webhook client over real sockets.

mod client;
mod support;
mod tls;
