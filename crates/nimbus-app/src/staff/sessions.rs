//! Sessions: who a cookie stands for, which there are, and their end.

use std::net::IpAddr;

use nimbus_core::{
    ids::{SessionId, UserId},
    staff::{Stage, UserState, password_fault, session_ends, touch_seconds},
    time::Ts,
};
use nimbus_store::{
    Tx,
    staff::{self as store, BreakGlass, Session, SessionUser, User},
};
use zeroize::Zeroizing;

use super::{
    NO_SESSION, NO_USER,
    attempts::{self, Counted, Place},
    audited, audited_of,
    glass::may_break,
    passwords::Verdict,
    sign_in::REFUSED,
    token,
};
use crate::{
    App,
    actor::{Call, SessionOf, StaffActor, StaffCredential},
    auth::spare_look_up,
    clock::wall,
    credentials,
    error::{Error, Result},
    unit::{Cx, Render, Reply},
};

/// The longest cookie that is looked at; ours are shorter.
const COOKIE_MAX: usize = 200;

/// The member of staff behind a cookie. It is read each time: what ends a session ends it at once, in every process. One
/// that was never ours, was changed, has been taken the place of, has ended or idled too long is answered alike.
pub async fn authenticate(app: &App, cookie: &str, address: IpAddr) -> Result<StaffActor> {
    let SessionUser { session, user } = in_stage(app, cookie, address, Stage::Full).await?;
    touch(app, &session);
    let credential = StaffCredential::Session(SessionOf {
        user_id: user.id,
        session_id: session.id,
        confirmed_at: session.confirmed_at,
        must_enrol: app.config().staff.needs_second_factor && !user.has_second_factor(),
        hash: credentials::hash(cookie),
    });
    let glass = if may_break(&user.roles) { glass_of(app, user.id).await? } else { None };
    Ok(StaffActor { credential, roles: user.roles, clinic_id: user.clinic_id, glass })
}

async fn glass_of(app: &App, user: UserId) -> Result<Option<BreakGlass>> {
    let now = wall();
    let found = app.db().look_up(move |tx| {
        Box::pin(async move { store::break_glass_active(tx, user, now).await.map_err(Error::from) })
    });
    found.await
}

/// The session of a cookie, if it is in force and so far.
pub(super) async fn in_stage(app: &App, cookie: &str, address: IpAddr, stage: Stage) -> Result<SessionUser> {
    let bounded = if cookie.len() <= COOKIE_MAX { cookie } else { "" };
    let hash = credentials::hash(bounded);
    spare_look_up(app, app.proven().has(&hash), address)?;
    let found = app.db().look_up(move |tx| {
        Box::pin(async move { store::session_authenticate(tx, &hash).await.map_err(Error::from) })
    });
    let (now, idle) = (wall(), app.config().staff.idle_minutes);
    let in_force = |found: &SessionUser| {
        found.session.stage == stage
            && is_in_force(&found.session, idle, now)
            && found.user.state == UserState::Active
    };
    let found = found.await?.filter(in_force);
    app.proven().note(hash, found.is_some());
    found.ok_or(REFUSED)
}

fn is_in_force(session: &Session, idle_minutes: u32, now: Ts) -> bool {
    session.ended_at.is_none() && session_ends(session.seen_at, idle_minutes, session.expires_at) > now
}

/// Remembers the use of a session, beside the request, when what is on record of it has become old.
fn touch(app: &App, session: &Session) {
    let (now, id) = (wall(), session.id);
    if session.seen_at.plus_seconds(touch_seconds(app.config().staff.idle_minutes)) > now {
        return;
    }
    let db = app.db().clone();
    tokio::spawn(async move {
        let written = db.write(move |tx| {
            Box::pin(async move { Ok::<_, Error>(store::session_touch(tx, id, now).await?) })
        });
        if let Err(error) = written.await {
            tracing::warn!(session_id = %id, %error, "the last use of a session was not recorded");
        }
    });
}

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub struct Current {
    pub user: User,
    pub session: Session,
    /// When it ends if it is not used again.
    pub idle_ends_at: Ts,
    /// Whether a second factor must be set up before anything else.
    pub must_enrol: bool,
}

/// The caller's own session, and who they are.
pub async fn current(app: &App, call: &Call) -> Result<Current> {
    let own = call.session()?;
    app.read(call, own.clone(), |tx, cx, own| {
        Box::pin(async move {
            let found = store::session_authenticate(tx, &own.hash).await?.ok_or(REFUSED)?;
            let idle = cx.app.config().staff.idle_minutes;
            let idle_ends_at = session_ends(cx.wall, idle, found.session.expires_at);
            let (user, session, must_enrol) = (found.user, found.session, own.must_enrol);
            Ok((Current { user, session, idle_ends_at, must_enrol }, Vec::new()))
        })
    })
    .await
}

/// The sessions of an account that are in force, newest first.
pub(super) async fn in_force(tx: &mut Tx, cx: &Cx, user: UserId) -> Result<Vec<Session>> {
    let idle = cx.app.config().staff.idle_minutes;
    let mut found = store::session_list(tx, user, cx.wall).await?;
    found.retain(|session| is_in_force(session, idle, cx.wall));
    Ok(found)
}

/// The caller's sessions that are in force, newest first.
pub async fn list(app: &App, call: &Call) -> Result<Vec<Session>> {
    let own = call.session()?;
    app.read(call, own.user_id, |tx, cx, &user| {
        Box::pin(async move { Ok((in_force(tx, cx, user).await?, Vec::new())) })
    })
    .await
}

/// Ends one of the caller's sessions.
pub async fn revoke(app: &App, call: &Call, id: SessionId, render: Render<()>) -> Result<Reply> {
    call.session()?;
    app.write(call, id, render, |tx, cx, &id| Box::pin(revoke_in(tx, cx, id))).await
}

async fn revoke_in(tx: &mut Tx, cx: &Cx, id: SessionId) -> Result<()> {
    let user = owner(tx, cx).await?;
    if !store::session_end(tx, user.id, id, cx.wall).await? {
        return Err(NO_SESSION);
    }
    audited_of(tx, cx, &user, "session.end", ("session", id.0));
    Ok(())
}

/// Ends the caller's own session.
pub async fn sign_out(app: &App, call: &Call, render: Render<()>) -> Result<Reply> {
    let id = call.session()?.session_id;
    revoke(app, call, id, render).await
}

/// Whose session the call is made through.
pub(super) async fn owner(tx: &mut Tx, cx: &Cx) -> Result<User> {
    store::user_get(tx, cx.call.session()?.user_id).await?.ok_or(NO_USER)
}

/// Gives the caller's session another cookie in the place of its own; the text of it.
pub(super) async fn rotate(tx: &mut Tx, cx: &Cx) -> Result<String> {
    let own = cx.call.session()?;
    let (text, hash) = token()?;
    match store::session_rotate(tx, own.session_id, (&own.hash, &hash), cx.wall).await? {
        true => Ok(text),
        // Another request of the session was first.
        false => Err(REFUSED),
    }
}

/// Another password in the place of one's own.
pub struct PasswordChange {
    pub current: Zeroizing<String>,
    pub new: Zeroizing<String>,
}

/// Changes the caller's password, and ends their other sessions. This one goes on with another cookie: its text.
pub async fn change_password(app: &App, call: &Call, change: PasswordChange) -> Result<String> {
    let (counted, user) = confirm_password(app, call, &change.current, "current_password").await?;
    if let Some(fault) = password_fault(&change.new, &user.email, &user.name) {
        return Err(Error::field("new_password", fault));
    }
    let password = app.passwords().hash(&change.new).await?;
    app.act(call, (counted, password), |tx, cx, (counted, password)| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            attempts::succeed(tx, counted, cx.wall).await?;
            store::user_set_password(tx, user.id, Some(password)).await?;
            let own = cx.call.session()?.session_id;
            store::sessions_end(tx, user.id, Some(own), cx.wall).await?;
            audited(tx, cx, &user, "user.password");
            rotate(tx, cx).await
        })
    })
    .await
}

/// That the caller knows their password. A wrong one is counted against the session, and is no wait for anybody else.
pub(super) async fn confirm_password(
    app: &App,
    call: &Call,
    password: &Zeroizing<String>,
    field: &'static str,
) -> Result<(Counted, User)> {
    let begun = app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let place = Place::Session(cx.call.session()?.session_id);
            let counted = attempts::count(tx, &user.email, place, cx.wall).await?;
            let stored = store::user_password(tx, user.id).await?;
            Ok((counted, user, stored))
        })
    });
    let (counted, user, stored) = begun.await?;
    match app.passwords().verify(password, stored).await? {
        Verdict::Right | Verdict::RightAndDated => Ok((counted, user)),
        Verdict::Wrong => {
            super::sign_in::fail(app, call, Some(user.id)).await?;
            Err(Error::field(field, "is not right"))
        }
    }
}
