//! Passwords: argon2id, hashed beside the runtime and few at a time, so that signing in exhausts neither.

use std::sync::{Arc, OnceLock};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use nimbus_store::Error as StoreError;

/// Memory, passes and lanes: what OWASP's Password Storage Cheat Sheet asks for at least.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// So many passwords are hashed at a time, each in 19 MiB and on a thread of its own.
const AT_A_TIME: usize = 2;
/// So many may wait for that; more are told to come again.
const WAITING_MAX: usize = 64;

/// What hashes passwords and compares them.
pub(crate) struct Passwords {
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What the password of an account that nobody has is compared with, so that it takes as long.
    nobodys: OnceLock<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            hashing: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            nobodys: OnceLock::new(),
        }
    }
}

/// What comparing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// It is right, and was hashed with less than is asked for by now.
    RightAndDated,
}

impl Passwords {
    /// The PHC string of a password.
    pub(crate) async fn hash(&self, password: &Zeroizing<String>) -> Result<String> {
        let password = password.clone();
        self.beside(move || hash(password.as_bytes())).await?
    }

    /// Compares a password with a PHC string; with nobody's, where there is none: never right, in the same time.
    pub(crate) async fn verify(
        &self,
        password: &Zeroizing<String>,
        stored: Option<String>,
    ) -> Result<Verdict> {
        let (password, is_nobodys) = (password.clone(), stored.is_none());
        let stored = match stored {
            Some(stored) => stored,
            None => self.nobodys().await?,
        };
        let verdict = self.beside(move || verify(password.as_bytes(), &stored)).await??;
        Ok(if is_nobodys { Verdict::Wrong } else { verdict })
    }

    async fn nobodys(&self) -> Result<String> {
        if let Some(known) = self.nobodys.get() {
            return Ok(known.clone());
        }
        let made = self.beside(|| hash(b"nobody has this account")).await??;
        Ok(self.nobodys.get_or_init(|| made).clone())
    }

    /// Works on a thread that may block, when it is this one's turn.
    async fn beside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| StoreError::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await;
        let turn = turn.map_err(|_| Error::Internal("passwords are not hashed any more"))?;
        let done = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, though its caller may be gone.
            let _held = (waiting, turn);
            work()
        });
        done.await.map_err(|_| Error::Internal("hashing a password failed"))
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|_| Error::Internal("the parameters of argon2 are not valid"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Result<String> {
    let hashed = argon2()?.hash_password(password);
    Ok(hashed.map_err(|_| Error::Internal("a password could not be hashed"))?.to_string())
}

fn verify(password: &[u8], stored: &str) -> Result<Verdict> {
    let parsed =
        PasswordHash::new(stored).map_err(|_| Error::Internal("a stored password is not readable"))?;
    if argon2()?.verify_password(password, &parsed).is_err() {
        return Ok(Verdict::Wrong);
    }
    let used = Params::try_from(&parsed).map_err(|_| Error::Internal("a stored password is not readable"))?;
    let is_dated = used.m_cost() < MEMORY_KIB || used.t_cost() < PASSES;
    Ok(if is_dated { Verdict::RightAndDated } else { Verdict::Right })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_nobodys_never_right() {
        let passwords = Passwords::default();
        let (right, wrong) = (text("correct horse battery"), text("correct horse batter"));
        let stored = passwords.hash(&right).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash(&right).await.unwrap(), "each has a salt of its own");
        assert_eq!(passwords.verify(&right, Some(stored.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(passwords.verify(&wrong, Some(stored)).await.unwrap(), Verdict::Wrong);
        for guess in ["nobody has this account", "correct horse battery"] {
            assert_eq!(passwords.verify(&text(guess), None).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn one_that_was_hashed_with_less_is_told() {
        let params = Params::new(8 * 1024, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let stored = weak.hash_password(b"correct horse battery").unwrap().to_string();
        let verdict = Passwords::default().verify(&text("correct horse battery"), Some(stored)).await;
        assert_eq!(verdict.unwrap(), Verdict::RightAndDated);
    }

    #[tokio::test]
    async fn beyond_those_that_wait_others_are_told_to_come_again() {
        let passwords = Passwords::default();
        let all = Arc::clone(&passwords.waiting).try_acquire_many_owned(WAITING_MAX as u32).unwrap();
        assert!(passwords.hash(&text("any")).await.unwrap_err().is_temporary());
        drop(all);
        passwords.hash(&text("any")).await.unwrap();
    }
}
