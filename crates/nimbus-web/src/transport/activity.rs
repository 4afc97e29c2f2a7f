//! What a connection is doing, told by its bytes and its requests, so that it can be ended when it is slow or idle.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, HttpBody};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Limits;

/// Times are milliseconds since the connection began, and never 0, which is none.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Requests whose replies are not at their end.
    under_way: AtomicU32,
    /// When the headers of a request began to come, while they are not whole.
    heading: AtomicU64,
    /// When the last reply was at its end.
    rested: AtomicU64,
    /// Since when nothing of a reply has been taken.
    stalled: AtomicU64,
    /// A connection of HTTP/2 that has had a request: what comes by it between requests is its own upkeep.
    is_h2: AtomicBool,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stays,
    /// It is asked to end.
    Idle,
    /// It is cut off.
    TooSlow,
}

impl Activity {
    /// A connection that has just begun is expected to send its first request.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            under_way: AtomicU32::new(0),
            heading: AtomicU64::new(1),
            rested: AtomicU64::new(1),
            stalled: AtomicU64::new(0),
            is_h2: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    pub(super) fn verdict(&self, limits: &Limits) -> Verdict {
        let now = self.now();
        let is_past = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        let stalled = self.stalled.load(Acquire);
        if stalled > 0 && is_past(stalled, limits.idle_timeout) {
            return Verdict::TooSlow;
        }
        if self.under_way.load(Acquire) > 0 {
            return Verdict::Stays;
        }
        let heading = self.heading.load(Acquire);
        if heading > 0 && is_past(heading, limits.header_timeout) {
            return Verdict::TooSlow;
        }
        if is_past(self.rested.load(Acquire), limits.idle_timeout) { Verdict::Idle } else { Verdict::Stays }
    }

    /// The headers of a request are whole.
    pub(super) fn begins(self: &Arc<Self>, is_h2: bool) -> UnderWay {
        self.under_way.fetch_add(1, AcqRel);
        self.heading.store(0, Release);
        if is_h2 {
            self.is_h2.store(true, Release);
        }
        UnderWay(Arc::clone(self))
    }

    fn read(&self) {
        if self.under_way.load(Acquire) == 0 && self.heading.load(Acquire) == 0 && !self.is_h2.load(Acquire) {
            self.heading.store(self.now(), Release);
        }
    }

    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        let stalled = self.stalled.load(Acquire);
        match &outcome {
            Poll::Pending if stalled == 0 => self.stalled.store(self.now(), Release),
            Poll::Ready(_) if stalled > 0 => self.stalled.store(0, Release),
            _ => {}
        }
        outcome
    }
}

/// A request, until its reply is at its end.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.rested.store(self.0.now(), Release);
        self.0.under_way.fetch_sub(1, AcqRel);
    }
}

/// The body of a reply, with the request that it answers.
pub(super) struct Answering {
    pub(super) body: Body,
    pub(super) _under_way: UnderWay,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose bytes are noticed.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.read();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.wrote(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.wrote(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.activity.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.activity.wrote(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that began so many seconds ago.
    fn aged(seconds: u64) -> Activity {
        let began =
            Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine runs longer");
        Activity { began, ..Activity::new() }
    }

    #[test]
    fn who_never_sends_a_request_is_cut_off() {
        let limits = Limits::default();
        assert_eq!(aged(5).verdict(&limits), Verdict::Stays);
        assert_eq!(aged(11).verdict(&limits), Verdict::TooSlow);
    }

    #[test]
    fn a_request_keeps_its_connection_and_rest_begins_behind_it() {
        let limits = Limits::default();
        let activity = Arc::new(aged(300));
        let request = activity.begins(false);
        assert_eq!(activity.verdict(&limits), Verdict::Stays, "an event stream may last");
        drop(request);
        assert_eq!(activity.verdict(&limits), Verdict::Stays, "it has just come to rest");
        activity.rested.store(1, Release);
        assert_eq!(activity.verdict(&limits), Verdict::Idle);
    }

    #[test]
    fn headers_that_dribble_are_timed_from_their_first_byte() {
        let limits = Limits::default();
        let activity = Arc::new(aged(20));
        drop(activity.begins(false));
        activity.read();
        let first = activity.heading.load(Acquire);
        assert!(first >= 20_000, "{first}");
        activity.heading.store(first - 5_000, Release);
        activity.read();
        assert_eq!(activity.heading.load(Acquire), first - 5_000, "more bytes do not begin it again");
        activity.heading.store(first - 11_000, Release);
        assert_eq!(activity.verdict(&limits), Verdict::TooSlow);
    }

    #[test]
    fn upkeep_of_http_2_is_no_request() {
        let activity = Arc::new(aged(50));
        drop(activity.begins(true));
        activity.read();
        assert_eq!(activity.heading.load(Acquire), 0);
    }

    #[test]
    fn a_reply_that_nobody_takes_ends_its_connection() {
        let limits = Limits::default();
        let activity = Arc::new(aged(200));
        let _request = activity.begins(false);
        let _ = activity.wrote(Poll::<()>::Pending);
        assert_eq!(activity.verdict(&limits), Verdict::Stays);
        activity.stalled.store(1, Release);
        assert_eq!(activity.verdict(&limits), Verdict::TooSlow);
        let _ = activity.wrote(Poll::Ready(()));
        assert_eq!(activity.verdict(&limits), Verdict::Stays, "it goes on");
    }
}
