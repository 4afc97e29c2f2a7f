//! The webhook client over real sockets.

mod client;
mod garbage;
mod hostile;
mod names;
mod support;
mod tls;
