//! Names to addresses: the system's resolver, with a bound on its threads, or another in its place.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::net::lookup_host;
use tokio::sync::Semaphore;

/// Names resolved at once. Each occupies a thread of Tokio's blocking pool (512) until the system's resolver returns,
/// which may be long after nobody waits for it; the other half stays free for the rest of the process.
const MAX_LOOKUPS: usize = 256;

/// What C libraries say of a name that does not exist or has no address (EAI_NONAME, EAI_NODATA). The standard library
/// passes on the words and not the number. They are not translated, since nothing here sets a locale.
const NOT_FOUND: [&str; 6] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
    "nodename nor servname provided",
    "No such host is known",
];

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name, or an address for it, does not exist.
    #[error("the name does not exist")]
    NotFound,
    /// Name servers failed or could not be reached.
    #[error("the name servers failed")]
    Unanswered,
}

type Lookup = dyn Fn(String) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> + Send + Sync;

/// Finds the addresses of a host name. Cloning it is cheap.
#[derive(Clone)]
pub struct Resolver(Arc<Lookup>);

impl Resolver {
    /// The system's own, as configured on this machine.
    pub fn system() -> Self {
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        Self::new(move |name| system_lookup(Arc::clone(&lookups), name))
    }

    /// One that asks `lookup`. What it answers is vetted like any other answer.
    pub fn new<F, Fut>(lookup: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<IpAddr>, ResolveError>> + Send + 'static,
    {
        Self(Arc::new(move |name| Box::pin(lookup(name))))
    }

    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = (self.0)(name.to_owned()).await?;
        if found.is_empty() { Err(ResolveError::NotFound) } else { Ok(found) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

async fn system_lookup(lookups: Arc<Semaphore>, name: String) -> Result<Vec<IpAddr>, ResolveError> {
    let permit = lookups.acquire_owned().await.map_err(|_| ResolveError::Unanswered)?;
    // On its own task, so that the permit is held as long as the thread is, whoever stops waiting.
    let task = tokio::spawn(async move {
        let found = lookup_host((name, 0)).await;
        let found = found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>());
        drop(permit);
        found
    });
    let found = task.await.map_err(|_| ResolveError::Unanswered)?;
    found.map_err(|error| told_apart(&error))
}

fn told_apart(error: &io::Error) -> ResolveError {
    let text = error.to_string();
    match NOT_FOUND.iter().any(|words| text.contains(words)) {
        true => ResolveError::NotFound,
        false => ResolveError::Unanswered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_told_from_servers_that_fail() {
        let told = |text: &str| told_apart(&io::Error::other(text.to_owned()));
        let prefix = "failed to lookup address information: ";
        assert_eq!(told(&format!("{prefix}Name or service not known")), ResolveError::NotFound);
        assert_eq!(told(&format!("{prefix}No address associated with hostname")), ResolveError::NotFound);
        assert_eq!(told(&format!("{prefix}Temporary failure in name resolution")), ResolveError::Unanswered);
        assert_eq!(told("invalid socket address"), ResolveError::Unanswered);
    }
}
