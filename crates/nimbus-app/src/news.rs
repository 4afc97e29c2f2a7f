//! Those who wait for events: woken when this process commits some, bounded in number, and sent home at a stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nimbus_core::ids::KeyId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Requests of one key that may wait at a time.
pub const WAITING_OF_KEY: usize = 4;
/// Requests that may wait in this process.
const WAITING: usize = 1024;
/// What other processes commit is looked for so often.
const LOOK: Duration = Duration::from_secs(1);
/// Under load there is always something new: nobody is woken more often than this.
const REST: Duration = Duration::from_millis(20);

/// Where commits are told, and waited for.
pub struct News {
    commits: watch::Sender<u64>,
    closed: CancellationToken,
    waiting: Arc<Mutex<HashMap<KeyId, usize>>>,
}

impl Default for News {
    fn default() -> Self {
        Self { commits: watch::Sender::new(0), closed: CancellationToken::new(), waiting: Arc::default() }
    }
}

fn lock(waiting: &Mutex<HashMap<KeyId, usize>>) -> MutexGuard<'_, HashMap<KeyId, usize>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl News {
    /// Says that events were committed.
    pub(crate) fn tell(&self) {
        self.commits.send_modify(|count| *count += 1);
    }

    /// Ends all waiting, now and later: the process stops.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        lock(&self.waiting).values().sum()
    }

    /// A place to wait in, given back when it is dropped.
    ///
    /// # Errors
    /// When the key has as many as it may, or the process.
    pub fn enter(&self, key: KeyId) -> Result<Waiter, Full> {
        let mut waiting = lock(&self.waiting);
        let all: usize = waiting.values().sum();
        if all >= WAITING {
            return Err(Full::Process);
        }
        let own = waiting.entry(key).or_default();
        if *own >= WAITING_OF_KEY {
            return Err(Full::Key);
        }
        *own += 1;
        let (commits, closed) = (self.commits.subscribe(), self.closed.clone());
        Ok(Waiter { commits, closed, key, waiting: Arc::clone(&self.waiting) })
    }
}

/// Why there is no place to wait in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The key has as many as it may.
    Key,
    /// The process has.
    Process,
}

/// One who waits.
pub struct Waiter {
    commits: watch::Receiver<u64>,
    closed: CancellationToken,
    key: KeyId,
    waiting: Arc<Mutex<HashMap<KeyId, usize>>>,
}

impl Waiter {
    /// Whether waiting is over.
    pub fn is_over(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Waits until there may be something new, as long as a second at most, since the last time that this was asked or
    /// the beginning. False if waiting is over.
    pub async fn wait(&mut self) -> bool {
        let commits = &mut self.commits;
        let woken = async {
            tokio::time::sleep(REST).await;
            // Who tells is gone only with the process.
            let _ = tokio::time::timeout(LOOK, commits.changed()).await;
        };
        tokio::select! {
            () = self.closed.cancelled() => false,
            () = woken => true,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiting);
        if let Some(own) = waiting.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> KeyId {
        KeyId(Uuid::from_u128(number))
    }

    #[test]
    fn a_key_waits_in_few_places_and_gives_them_back() {
        let news = News::default();
        let held: Vec<_> = (0..WAITING_OF_KEY).map(|_| news.enter(key(1)).expect("a place")).collect();
        assert_eq!(news.enter(key(1)).err(), Some(Full::Key));
        assert!(news.enter(key(2)).is_ok(), "another key's places are its own");
        drop(held);
        assert!(news.enter(key(1)).is_ok());
        assert!(lock(&news.waiting).is_empty(), "nobody is remembered who does not wait");
    }

    #[test]
    fn a_process_has_so_many_places() {
        let news = News::default();
        let keys = (0..).map(|number| key(number / WAITING_OF_KEY as u128));
        let held: Vec<_> = keys.take(WAITING).map(|key| news.enter(key).expect("a place")).collect();
        assert_eq!(news.enter(key(u128::MAX)).err(), Some(Full::Process));
        drop(held);
        assert!(news.enter(key(u128::MAX)).is_ok());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_commit_and_sent_home_at_a_stop() {
        let news = News::default();
        let mut waiter = news.enter(key(1)).expect("a place");
        let begun = tokio::time::Instant::now();
        assert!(waiter.wait().await);
        assert!(begun.elapsed() >= LOOK, "nothing was told here");
        // What was told before it waits again is not missed.
        news.tell();
        news.tell();
        let begun = tokio::time::Instant::now();
        assert!(waiter.wait().await);
        assert!(begun.elapsed() < LOOK, "{:?}", begun.elapsed());
        assert!(!waiter.is_over());
        news.close();
        assert!(!waiter.wait().await && waiter.is_over());
        assert!(!news.enter(key(2)).expect("a place").wait().await);
    }
}
