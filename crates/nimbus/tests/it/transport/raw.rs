//! Bytes on a socket, for what no HTTP client sends.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, Server};

/// A connection to the server.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a time");
        Self(stream)
    }

    /// Sends what the server may no longer want to read.
    pub(crate) fn send(mut self, bytes: &[u8]) -> Self {
        // A refusal may come, and the connection end, before all is sent.
        let _ = self.0.write_all(bytes);
        self
    }

    /// The first bytes that come.
    #[track_caller]
    pub(crate) fn first(mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).expect("an answer");
        bytes
    }

    /// Everything that comes until the server closes, which it must.
    #[track_caller]
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        match self.0.read_to_end(&mut all) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => {
                panic!("the server does not close: {error}; so far {}", String::from_utf8_lossy(&all))
            }
        }
        all
    }

    /// What comes until a whole reply without a body, or with one of a known length, is there.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> String {
        let mut all = Vec::new();
        let until = Instant::now() + PATIENCE;
        while !is_whole(&String::from_utf8_lossy(&all)) {
            assert!(Instant::now() < until, "half a reply: {}", String::from_utf8_lossy(&all));
            let mut part = [0; 4096];
            let length = self.0.read(&mut part).expect("a reply");
            assert!(length > 0, "the server closed behind {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&part[..length]);
        }
        String::from_utf8(all).expect("a text")
    }

    /// Sends a byte again and again until the server closes, which it must; whether anything came from it.
    #[track_caller]
    pub(crate) fn dribble(mut self, byte: u8) -> Vec<u8> {
        self.0.set_read_timeout(Some(Duration::from_millis(50))).expect("it is a time");
        let (mut all, until) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            assert!(Instant::now() < until, "the server goes on reading");
            let mut part = [0; 4096];
            match self.0.read(&mut part) {
                Ok(0) => return all,
                Ok(length) => all.extend_from_slice(&part[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return all,
            }
            if self.0.write_all(&[byte]).is_err() {
                return all;
            }
        }
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    length.is_none_or(|length| body.len() >= length.parse::<usize>().expect("a length"))
}

/// The status of a reply.
#[track_caller]
pub(crate) fn status(reply: &str) -> u16 {
    let line = reply.lines().next().unwrap_or_default();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {reply:?}"))
}

/// How many replies there are.
pub(crate) fn replies(all: &[u8]) -> usize {
    String::from_utf8_lossy(all).matches("HTTP/1.1 ").count()
}
