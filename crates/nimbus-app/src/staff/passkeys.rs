//! Passkeys: made by whoever has a session, and good for signing in by themselves, being two factors in one, and for
//! proving anew who one is.
//!
//! A challenge is good once, for one ceremony and, but for signing in, for one account. Whatever is wrong with what is sent
//! is answered alike; the log says which check failed, by its name.

mod auth_data;
mod cbor;
pub mod ceremony;
mod client_data;
mod cose;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use nimbus_core::{
    ids::{ChallengeId, PasskeyId, SessionId},
    staff::{CHALLENGE_MINUTES, Ceremony, Method, PASSKEYS_MAX, Stage, UserState, count_grows},
};
pub use nimbus_store::staff::Passkey;
use nimbus_store::{
    Tx,
    staff::{self as store, Challenge, User},
};
use uuid::Uuid;

use self::ceremony::{Assertion, Fault, OnFile, Party, Registered, Registration, Signed};
pub use self::cose::OFFERED;
use super::{
    attempts::{self, Counted, Place},
    audited_of,
    factors::{confirmed, count_here, new_codes},
    sessions::{in_stage, owner},
    sign_in::{Begin, From, REFUSED, SignedIn, fail, start},
};
use crate::{
    App,
    actor::Call,
    error::{Error, RefusalCode, Result},
    unit::Cx,
};

const NO_PASSKEY: Error = Error::NotFound("Passkey");

/// What is wrong is said to the log alone.
fn not_right() -> Error {
    Error::field("credential", "is not right")
}

/// What a passkey is to sign, and whose it may be.
#[derive(Debug, Clone)]
pub struct Asked {
    pub party: Party,
    pub challenge: [u8; 32],
    /// The credentials that it may be of; of any, if there are none. Where one is made: those that there are.
    pub known: Vec<Vec<u8>>,
}

/// What a passkey is made with.
#[derive(Debug, Clone)]
pub struct AskedOf {
    pub user: User,
    pub asked: Asked,
}

/// A passkey to add.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    /// What its owner calls it.
    pub name: String,
    pub sent: Registration,
}

/// A passkey that was added, and the recovery codes that came with it where there were none.
#[derive(Debug, Clone)]
pub struct Added {
    pub passkey: Passkey,
    pub recovery_codes: Vec<String>,
}

/// Somebody who signs in with a passkey.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub sent: Assertion,
    /// Of a sign-in that was begun with a password, if there is one: it ends with this.
    pub cookie: Option<String>,
    pub from: From,
}

fn party(cx: &Cx) -> Result<Party> {
    let found = Party::of(&cx.app.config().labels.public_url);
    found.ok_or(Error::Internal("the public address is none of a web page"))
}

/// How an account that has as many passkeys as it may is refused another one.
pub fn too_many() -> Error {
    let message = format!("An account has at most {PASSKEYS_MAX} passkeys. Remove one first.");
    Error::refused(RefusalCode::InvalidStatusTransition, message, Vec::new())
}

/// The caller's passkeys, newest first.
pub async fn list(app: &App, call: &Call) -> Result<Vec<Passkey>> {
    let own = call.session()?;
    app.read(call, own.user_id, |tx, _, &user| {
        Box::pin(async move { Ok((store::passkeys_of(tx, user).await?, Vec::new())) })
    })
    .await
}

/// Begins to add a passkey. Another start takes the place of this one.
pub async fn start_adding(app: &App, call: &Call) -> Result<AskedOf> {
    call.confirmed()?;
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let known = store::passkeys_of(tx, user.id).await?;
            if known.len() >= PASSKEYS_MAX {
                return Err(too_many());
            }
            let asked = ask(tx, cx, Ceremony::Register, Some(&user), &known).await?;
            Ok(AskedOf { user, asked })
        })
    })
    .await
}

/// Adds a passkey, which counts as a second factor from now on.
pub async fn add(app: &App, call: &Call, new: NewPasskey) -> Result<Added> {
    call.confirmed()?;
    let judged = app.act(call, new, |tx, cx, new| Box::pin(add_in(tx, cx, new)));
    judged.await?.map_err(|fault| {
        tracing::info!(fault = fault.as_str(), "a passkey was not added");
        not_right()
    })
}

async fn add_in(tx: &mut Tx, cx: &Cx, new: &NewPasskey) -> Result<std::result::Result<Added, Fault>> {
    let user = owner(tx, cx).await?;
    let challenge = take(tx, cx, &new.sent.client_data, Ceremony::Register, Some(&user)).await?;
    let party = party(cx)?;
    let made = challenge.and_then(|challenge| ceremony::registered(&party, &challenge, &new.sent));
    let made: Registered = match made {
        Ok(made) => made,
        Err(fault) => return Ok(Err(fault)),
    };
    if store::passkey_by_credential(tx, &new.sent.credential_id).await?.is_some() {
        // Whoever has it.
        return Ok(Err(Fault::Credential));
    }
    if store::passkeys_of(tx, user.id).await?.len() >= PASSKEYS_MAX {
        return Err(too_many());
    }
    let passkey = Passkey {
        id: PasskeyId(Uuid::now_v7()),
        user_id: user.id,
        credential_id: new.sent.credential_id.clone(),
        public_key: made.public_key,
        sign_count: made.sign_count,
        name: new.name.clone(),
        created_at: cx.wall,
        used_at: None,
        backup_eligible: made.backup_eligible,
        backed_up: made.backed_up,
        copied_at: None,
    };
    if !store::passkey_insert(tx, &passkey, PASSKEYS_MAX).await? {
        // Another request was first.
        return Err(not_right());
    }
    audited_of(tx, cx, &user, "user.passkey_add", ("passkey", passkey.id.0));
    let recovery_codes = if user.recovery_codes == 0 { new_codes(tx, cx, &user).await? } else { Vec::new() };
    Ok(Ok(Added { passkey, recovery_codes }))
}

/// Takes a passkey away.
pub async fn remove(app: &App, call: &Call, id: PasskeyId) -> Result<()> {
    call.confirmed()?;
    app.act(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            if !store::passkey_remove(tx, user.id, id, cx.wall).await? {
                return Err(NO_PASSKEY);
            }
            audited_of(tx, cx, &user, "user.passkey_remove", ("passkey", id.0));
            Ok(())
        })
    })
    .await
}

/// Begins a sign-in with a passkey, whoever's it will be.
pub async fn start_sign_in(app: &App, call: &Call) -> Result<Asked> {
    app.act(call, (), |tx, cx, ()| Box::pin(async move { ask(tx, cx, Ceremony::SignIn, None, &[]).await }))
        .await
}

/// What an attempt to sign in finds.
struct Begun {
    counted: Counted,
    user: Option<User>,
    verdict: Verdict,
}

/// Signs in with a passkey alone, or ends a sign-in that was begun with a password. An unknown credential, a wrong
/// signature, a challenge that is not good and an account that is not active are answered alike, after the same writes.
pub async fn sign_in(app: &App, call: &Call, command: SignIn) -> Result<SignedIn> {
    let SignIn { sent, cookie, from } = command;
    let begun =
        app.go_on(call, (sent, from.clone()), |tx, cx, (sent, from)| Box::pin(begin(tx, cx, sent, from)));
    let Begun { counted, user, verdict } = begun.await?;
    let is_right = verdict.told();
    let user = match user {
        Some(user) if is_right && user.state == UserState::Active => user,
        user => {
            fail(app, call, user.map(|user| user.id)).await?;
            return Err(REFUSED);
        }
    };
    let replaces = waiting(app, cookie.as_deref(), &from, &user).await;
    let (stage, method) = (Stage::Full, Method::Passkey);
    start(app, call, Begin { user, stage, method, from, counted, password: None, replaces }).await
}

async fn begin(tx: &mut Tx, cx: &Cx, sent: &Assertion, from: &From) -> Result<Begun> {
    let passkey = store::passkey_by_credential(tx, &sent.credential_id).await?;
    let user = match &passkey {
        Some(passkey) => store::user_get(tx, passkey.user_id).await?,
        None => None,
    };
    let counted = match &user {
        Some(user) => {
            let place = from.place(tx, user, cx.wall).await?;
            attempts::count(tx, &user.email, place, cx.wall).await?
        }
        // A credential that nobody has is counted as an account that nobody has.
        None => {
            let name = hex::encode(&sent.credential_id);
            attempts::count(tx, &name, Place::of_address(from.address), cx.wall).await?
        }
    };
    let passkey = passkey.filter(|_| user.is_some());
    let verdict = judge(tx, cx, sent, None, passkey.as_ref()).await?;
    Ok(Begun { counted, user, verdict })
}

/// The sign-in of the same account that waits for its second factor.
async fn waiting(app: &App, cookie: Option<&str>, from: &From, user: &User) -> Option<SessionId> {
    let begun = in_stage(app, cookie?, from.address, Stage::SecondFactor).await.ok()?;
    (begun.user.id == user.id).then_some(begun.session.id)
}

/// Begins to prove anew who one is, with one of one's passkeys.
pub async fn start_step_up(app: &App, call: &Call) -> Result<Asked> {
    call.session()?;
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let known = store::passkeys_of(tx, user.id).await?;
            ask(tx, cx, Ceremony::StepUp, Some(&user), &known).await
        })
    })
    .await
}

/// Proves anew who one is. The session goes on with another cookie: its text.
pub async fn step_up(app: &App, call: &Call, sent: Assertion) -> Result<String> {
    let judged = app.act(call, sent, |tx, cx, sent| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let counted = count_here(tx, cx, &user).await?;
            let found = store::passkey_by_credential(tx, &sent.credential_id).await?;
            let own = found.filter(|passkey| passkey.user_id == user.id);
            let verdict = judge(tx, cx, sent, Some(&user), own.as_ref()).await?;
            match verdict {
                Verdict::Right => Ok((verdict, Some(confirmed(tx, cx, &counted).await?))),
                Verdict::Wrong(_) | Verdict::Copied(_) => Ok((verdict, None)),
            }
        })
    });
    let (verdict, cookie) = judged.await?;
    verdict.told();
    match cookie {
        Some(cookie) => Ok(cookie),
        None => {
            fail(app, call, Some(call.session()?.user_id)).await?;
            Err(not_right())
        }
    }
}

/// Keeps a new challenge, and says what is to be signed.
async fn ask(
    tx: &mut Tx,
    cx: &Cx,
    ceremony: Ceremony,
    user: Option<&User>,
    known: &[Passkey],
) -> Result<Asked> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Internal("the system gave no random bytes"))?;
    let challenge = Challenge {
        id: ChallengeId(Uuid::now_v7()),
        ceremony,
        user_id: user.map(|user| user.id),
        bytes,
        expires_at: cx.wall.plus_seconds(CHALLENGE_MINUTES * 60),
    };
    store::challenge_insert(tx, &challenge).await?;
    let known = known.iter().map(|passkey| passkey.credential_id.clone()).collect();
    Ok(Asked { party: party(cx)?, challenge: bytes, known })
}

/// Takes the challenge that client data are about, if it is one for this.
async fn take(
    tx: &mut Tx,
    cx: &Cx,
    client_data: &[u8],
    ceremony: Ceremony,
    user: Option<&User>,
) -> Result<std::result::Result<[u8; 32], Fault>> {
    let bytes = match ceremony::challenge_of(client_data) {
        Ok(bytes) => bytes,
        Err(fault) => return Ok(Err(fault)),
    };
    let is_good = store::challenge_take(tx, &bytes, ceremony, user.map(|user| user.id), cx.wall).await?;
    Ok(if is_good { Ok(bytes) } else { Err(Fault::Challenge) })
}

/// What came of judging a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong(Fault),
    /// All is right but the count of signatures: somebody has likely copied the passkey.
    Copied(PasskeyId),
}

impl Verdict {
    /// Tells the log what is wrong; whether nothing is.
    fn told(self) -> bool {
        match self {
            Self::Right => {}
            Self::Wrong(fault) => tracing::info!(fault = fault.as_str(), "a passkey was refused"),
            Self::Copied(passkey_id) => {
                tracing::warn!(%passkey_id, "a passkey was refused: its count went back, it has likely been copied");
            }
        }
        self == Self::Right
    }
}

/// Judges what a passkey has signed, and notes it: a step-up of an account, or a sign-in by whoever it is. The challenge is
/// used up whatever comes of it.
async fn judge(
    tx: &mut Tx,
    cx: &Cx,
    sent: &Assertion,
    own: Option<&User>,
    passkey: Option<&Passkey>,
) -> Result<Verdict> {
    let ceremony = if own.is_some() { Ceremony::StepUp } else { Ceremony::SignIn };
    let challenge = take(tx, cx, &sent.client_data, ceremony, own).await?;
    let Some(passkey) = passkey else { return Ok(Verdict::Wrong(Fault::Credential)) };
    let on_file = OnFile {
        public_key: &passkey.public_key,
        user_handle: passkey.user_id.0.as_bytes(),
        backup_eligible: passkey.backup_eligible,
        identifies: own.is_none(),
    };
    let party = party(cx)?;
    let signed = challenge.and_then(|challenge| ceremony::asserted(&party, &challenge, &on_file, sent));
    let Signed { sign_count, backed_up } = match signed {
        Ok(signed) => signed,
        Err(fault) => return Ok(Verdict::Wrong(fault)),
    };
    if !count_grows(passkey.sign_count, sign_count) {
        store::passkey_copied(tx, passkey.id, cx.wall).await?;
        let of = store::user_get(tx, passkey.user_id).await?;
        let clinic = of.and_then(|user| user.clinic_id);
        super::record(tx, cx.audit(clinic, "user.passkey_copied", "passkey", Some(passkey.id.0)));
        return Ok(Verdict::Copied(passkey.id));
    }
    match store::passkey_use(tx, passkey, sign_count, backed_up, cx.wall).await? {
        true => Ok(Verdict::Right),
        // Another signature was first.
        false => Ok(Verdict::Wrong(Fault::Count)),
    }
}
