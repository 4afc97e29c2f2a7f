//! The webhook client over real sockets.

mod client;
mod corpus;
mod garbage;
mod hostile;
mod names;
mod support;
mod tls;
