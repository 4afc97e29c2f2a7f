//! A request's body: how long it may take to come, and what becomes of one that nobody reads.
//!
//! A body that a refusal left unread is read away, so that the client can finish sending it, hears the refusal and
//! can use the connection again. Otherwise hyper closes the connection on a client that is still writing.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Sleep;

/// As much of an unread body is read away; behind that the connection closes.
const MAX_READ: usize = 1024 * 1024;
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A body was not at its end in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
pub(crate) struct TooSlow;

/// A request's body, which has its time, and is read away when it is dropped before its end.
pub(crate) struct Unread {
    body: Body,
    within: Duration,
    /// Set when the body is first waited for, which most never are.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Unread {
    pub(crate) fn new(body: Body, within: Duration) -> Self {
        Self { body, within, deadline: None }
    }

    /// Whether the time is over.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let within = self.within;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        deadline.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        // A body that comes byte by byte is ready again and again: the time goes on for it too.
        if self.deadline.is_some() && self.is_late(cx) {
            return Poll::Ready(Some(Err(axum::Error::new(TooSlow))));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.is_late(cx) => Poll::Ready(Some(Err(axum::Error::new(TooSlow)))),
            outcome => outcome,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        if body.is_end_stream() {
            return;
        }
        tokio::spawn(tokio::time::timeout(READ_WITHIN, async move {
            let mut left = MAX_READ;
            while let Some(Ok(frame)) = body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                if length > left {
                    return;
                }
                left -= length;
            }
        }));
    }
}
