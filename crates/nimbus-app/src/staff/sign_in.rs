//! Signing in: a password, and then a second factor where the account has one.
//!
//! An address that nobody has, a wrong password and an account that is not active are answered alike, after the same
//! work.

use std::net::IpAddr;

use nimbus_core::{
    ids::{SessionId, UserId},
    staff::{Method, SECOND_FACTOR_MINUTES, SESSION_HOURS, Stage, UserState},
    time::Ts,
};
use nimbus_store::{
    Tx,
    staff::{self as store, Session, User},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    attempts::{self, Counted, Place},
    audited_of,
    passwords::Verdict,
    record, token,
};
use crate::{
    App,
    actor::{Actor, Call, SessionOf, StaffActor, StaffCredential},
    clock::wall,
    credentials,
    error::{Error, Result, Unauthorized},
    unit::Cx,
};

pub(super) const REFUSED: Error = Error::Unauthorized(Unauthorized::Credential);
/// Sessions that an account may have at a time; with another one the oldest ends.
const SESSIONS_MAX: u32 = 20;
/// What is kept of how a browser calls itself, in bytes.
const AGENT_MAX: usize = 200;

/// Where somebody signs in from.
#[derive(Debug, Clone)]
pub struct From {
    pub address: IpAddr,
    /// What their browser calls itself.
    pub agent: Option<String>,
    /// The cookie by which a browser is known.
    pub device: Option<String>,
}

impl From {
    /// A browser that an account is known in, or else the network.
    pub(super) async fn place(&self, tx: &mut Tx, user: &User, now: Ts) -> Result<Place> {
        Place::of(tx, Some(user.id), self.device_hash().as_ref(), self.address, now).await
    }

    fn device_hash(&self) -> Option<[u8; 32]> {
        self.device.as_deref().map(credentials::hash)
    }
}

/// An address and a password.
pub struct SignIn {
    pub email: String,
    pub password: Zeroizing<String>,
    pub from: From,
}

/// A session that was begun.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    /// For the cookie, this once.
    pub token: String,
    /// For the cookie by which the browser is known from now on; `None` if it is.
    pub device: Option<String>,
}

/// What an attempt finds of its account.
struct Begun {
    counted: Counted,
    found: Option<(User, Option<String>)>,
}

/// Signs in with a password. An account with a second factor gets a session that is good for giving that.
pub async fn sign_in(app: &App, call: &Call, command: SignIn) -> Result<SignedIn> {
    let email = command.email.to_lowercase();
    let from = command.from;
    let Begun { counted, found } = app
        .act(call, (email, from.clone()), |tx, cx, (email, from)| Box::pin(begin(tx, cx, email, from)))
        .await?;
    let (user, stored) = found.unzip();
    let verdict = app.passwords().verify(&command.password, stored.flatten()).await?;
    let user = match (verdict, user) {
        (Verdict::Right | Verdict::RightAndDated, Some(user)) if user.state == UserState::Active => user,
        (_, user) => {
            fail(app, call, user.map(|user| user.id)).await?;
            return Err(REFUSED);
        }
    };
    let again = match verdict {
        Verdict::RightAndDated => Some(app.passwords().hash(&command.password).await?),
        _ => None,
    };
    let stage = if user.has_second_factor() { Stage::SecondFactor } else { Stage::Full };
    let begin =
        Begin { user, stage, method: Method::Password, from, counted, password: again, replaces: None };
    start(app, call, begin).await
}

async fn begin(tx: &mut Tx, cx: &Cx, email: &str, from: &From) -> Result<Begun> {
    let user = store::user_by_email(tx, email).await?;
    let id = user.as_ref().map(|user| user.id);
    let place = Place::of(tx, id, from.device_hash().as_ref(), from.address, cx.wall).await?;
    let counted = attempts::count(tx, email, place, cx.wall).await?;
    let found = match user {
        Some(user) => {
            let password = store::user_password(tx, user.id).await?;
            Some((user, password))
        }
        None => None,
    };
    Ok(Begun { counted, found })
}

/// Puts on record that somebody was not let in.
pub(super) async fn fail(app: &App, call: &Call, user: Option<UserId>) -> Result<()> {
    app.act(call, user, |tx, cx, user| {
        Box::pin(async move {
            record(tx, cx.audit(None, "session.refused", "user", user.map(|id| id.0)));
            Ok(())
        })
    })
    .await
}

/// A session to begin.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    pub(super) user: User,
    pub(super) stage: Stage,
    pub(super) method: Method,
    pub(super) from: From,
    pub(super) counted: Counted,
    /// The password as it is hashed now, if it was hashed with less.
    pub(super) password: Option<String>,
    /// The sign-in that was begun, and ends with this.
    pub(super) replaces: Option<SessionId>,
}

/// Begins a session, by whose it is.
pub(super) async fn start(app: &App, call: &Call, begin: Begin) -> Result<SignedIn> {
    let (token, hash) = token()?;
    let session_id = SessionId(Uuid::now_v7());
    let own = SessionOf { user_id: begin.user.id, session_id, confirmed_at: wall(), must_enrol: false, hash };
    let call = as_user(call, &begin.user, own);
    let begun =
        app.act(&call, (begin, hash), |tx, cx, (begin, hash)| Box::pin(start_in(tx, cx, begin, hash)));
    let (user, session, device) = begun.await?;
    Ok(SignedIn { user, session, token, device })
}

/// The call as it is made by whoever has this session.
pub(super) fn as_user(call: &Call, user: &User, session: SessionOf) -> Call {
    let (roles, clinic_id) = (user.roles.clone(), user.clinic_id);
    let actor = StaffActor { credential: StaffCredential::Session(session), roles, clinic_id, glass: None };
    Call { actor: Actor::Staff(actor), ..call.clone() }
}

async fn start_in(
    tx: &mut Tx,
    cx: &Cx,
    begin: &Begin,
    hash: &[u8; 32],
) -> Result<(User, Session, Option<String>)> {
    // It was read before the password was compared: meanwhile it may have been suspended, or reset.
    let user = store::user_get(tx, begin.user.id).await?.filter(|user| user.version == begin.user.version);
    let user = user.ok_or(REFUSED)?;
    if let Some(password) = &begin.password {
        store::user_set_password(tx, user.id, Some(password)).await?;
    }
    if let Some(begun) = begin.replaces
        && !store::session_end(tx, user.id, begun, cx.wall).await?
    {
        // Another request was first.
        return Err(REFUSED);
    }
    let session = session(cx, begin)?;
    store::session_insert(tx, &session, hash).await?;
    let mut device = None;
    if begin.stage == Stage::Full {
        attempts::succeed(tx, &begin.counted, cx.wall).await?;
        store::sessions_bound(tx, user.id, SESSIONS_MAX, cx.wall).await?;
        store::user_signed_in(tx, user.id, cx.wall).await?;
        device = remember(tx, &user, &begin.from, cx.wall).await?;
        audited_of(tx, cx, &user, "session.begin", ("session", session.id.0));
    } else {
        attempts::forgive(tx, &begin.counted, cx.wall).await?;
        audited_of(tx, cx, &user, "session.password", ("session", session.id.0));
    }
    Ok((user, session, device))
}

fn session(cx: &Cx, begin: &Begin) -> Result<Session> {
    let own = cx.call.session()?;
    let lasts = match begin.stage {
        Stage::SecondFactor => SECOND_FACTOR_MINUTES * 60,
        Stage::Full => SESSION_HOURS * 3600,
    };
    Ok(Session {
        id: own.session_id,
        user_id: own.user_id,
        stage: begin.stage,
        method: begin.method,
        created_at: cx.wall,
        seen_at: cx.wall,
        confirmed_at: cx.wall,
        expires_at: cx.wall.plus_seconds(lasts),
        ended_at: None,
        address: cx.call.address.clone(),
        agent: begin.from.agent.as_deref().map(|agent| shortened(agent).to_owned()),
    })
}

/// As much of a text as is kept.
fn shortened(text: &str) -> &str {
    let end = (0..=AGENT_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// Has the browser known from now on; what its cookie is to be, if that is another.
async fn remember(tx: &mut Tx, user: &User, from: &From, now: Ts) -> Result<Option<String>> {
    if let Some(hash) = from.device_hash()
        && store::device_known(tx, &hash, user.id, now.plus_days(-nimbus_core::staff::DEVICE_DAYS)).await?
    {
        store::device_seen(tx, &hash, now).await?;
        return Ok(None);
    }
    // Never what the browser brought: somebody else may know it.
    let (text, hash) = token()?;
    store::device_insert(tx, &hash, user.id, now).await?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_calls_itself_is_bounded() {
        assert_eq!(shortened("Firefox"), "Firefox");
        assert_eq!(shortened(&"a".repeat(500)).len(), AGENT_MAX);
        assert_eq!(shortened(&format!("{}ä", "a".repeat(AGENT_MAX - 1))), "a".repeat(AGENT_MAX - 1));
    }
}
