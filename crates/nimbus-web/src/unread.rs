//! A body that a refusal left unread is read away, so that the client can finish sending it, hears the refusal and
//! can use the connection again. Otherwise hyper closes the connection on a client that is still writing.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt;

/// As much of an unread body is read away; behind that the connection closes.
const MAX_READ: usize = 1024 * 1024;
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A request's body, read away when it is dropped before its end.
pub(crate) struct Unread(pub(crate) Body);

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.0);
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
