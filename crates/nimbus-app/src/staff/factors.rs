//! Second factors: an authenticator app, and recovery codes for whoever has lost it. Each code is good once.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use nimbus_core::{
    refusal::Refusal,
    staff::{Method, Stage},
    time::Ts,
};
use nimbus_store::{
    Tx,
    staff::{self as store, User},
};
use zeroize::Zeroizing;

use super::{
    attempts::{self, Counted, Place},
    audited,
    sessions::{in_stage, owner, rotate},
    sign_in::{Begin, From, REFUSED, SignedIn, fail, start},
    totp,
};
use crate::{
    App,
    actor::Call,
    credentials,
    error::{Error, Result},
    unit::Cx,
};

/// How many recovery codes an account is given.
const CODES: usize = 10;
/// Letters and digits that are not mistaken for one another: Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 80 random bits, in four groups of four.
const CODE_LEN: usize = 16;

/// Something that proves who one is, as it was sent.
#[derive(Clone)]
pub struct Factor {
    pub method: Method,
    pub secret: Zeroizing<String>,
}

/// A sign-in that goes on with its second factor.
pub struct SecondFactor {
    /// The cookie of the sign-in that was begun.
    pub cookie: String,
    pub factor: Factor,
    pub from: From,
}

/// Ends a sign-in with its second factor. A cookie that is good for nothing and a code that is wrong are answered alike.
pub async fn second_factor(app: &App, call: &Call, command: SecondFactor) -> Result<SignedIn> {
    let SecondFactor { cookie, factor, from } = command;
    let begun = in_stage(app, &cookie, from.address, Stage::SecondFactor).await?;
    let (user, session, method) = (begun.user, begun.session.id, factor.method);
    let judged = app.go_on(call, (user.clone(), factor, from.clone()), |tx, cx, (user, factor, from)| {
        Box::pin(async move {
            let place = from.place(tx, user, cx.wall).await?;
            let counted = attempts::count(tx, &user.email, place, cx.wall).await?;
            Ok(is_right(tx, user, factor, cx.wall).await?.then_some(counted))
        })
    });
    let Some(counted) = judged.await? else {
        fail(app, call, Some(user.id)).await?;
        return Err(REFUSED);
    };
    let replaces = Some(session);
    start(app, call, Begin { user, stage: Stage::Full, method, from, counted, password: None, replaces })
        .await
}

/// Whether a code is right; it is used up then.
async fn is_right(tx: &mut Tx, user: &User, factor: &Factor, now: Ts) -> Result<bool> {
    match factor.method {
        Method::Totp => {
            let kept = store::totp_get(tx, user.id).await?.filter(|kept| kept.confirmed_at.is_some());
            let Some(kept) = kept else { return Ok(false) };
            match totp::step_of(&kept.secret, &factor.secret, now)? {
                Some(step) => Ok(store::totp_use(tx, user.id, step).await?),
                None => Ok(false),
            }
        }
        Method::RecoveryCode => {
            Ok(store::recovery_code_use(tx, user.id, &code_hash(user, &factor.secret), now).await?)
        }
        Method::Password | Method::Passkey => Ok(false),
    }
}

/// What is stored of a code, which is its account's alone.
fn code_hash(user: &User, code: &str) -> [u8; 32] {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    // As it is read from paper.
    let plain = plain.replace('O', "0").replace(['I', 'L'], "1");
    credentials::hash(&format!("{} {plain}", user.id))
}

/// The secret of an authenticator app, shown until a code of it is.
#[derive(Debug, Clone)]
pub struct TotpSetup {
    pub secret: String,
    /// For a picture that apps read.
    pub uri: String,
}

/// Begins to set up an authenticator app.
pub async fn totp_start(app: &App, call: &Call) -> Result<TotpSetup> {
    call.confirmed()?;
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let secret = Zeroizing::new(totp::secret()?);
            if !store::totp_begin(tx, user.id, secret.as_slice()).await? {
                return Err(Refusal::transition("confirmed", "started").into());
            }
            audited(tx, cx, &user, "user.totp_begin");
            let (secret, uri) = totp::shown(secret.as_slice(), "Nimbus", &user.email)?;
            Ok(TotpSetup { secret, uri })
        })
    })
    .await
}

/// Has the authenticator app count, by a code that it shows. Recovery codes come with it where the account has none.
pub async fn totp_confirm(app: &App, call: &Call, code: Zeroizing<String>) -> Result<Vec<String>> {
    call.confirmed()?;
    let judged = app.act(call, code, |tx, cx, code| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let counted = count_here(tx, cx, &user).await?;
            let kept = store::totp_get(tx, user.id).await?;
            let kept = kept.ok_or(Refusal::transition("none", "confirmed"))?;
            if kept.confirmed_at.is_some() {
                return Err(Refusal::transition("confirmed", "confirmed").into());
            }
            let step = totp::step_of(&kept.secret, code, cx.wall)?;
            let Some(step) = step else { return Ok(None) };
            if !store::totp_use(tx, user.id, step).await? {
                return Ok(None);
            }
            store::totp_confirm(tx, user.id, cx.wall).await?;
            attempts::succeed(tx, &counted, cx.wall).await?;
            audited(tx, cx, &user, "user.totp");
            let codes = if user.recovery_codes == 0 { new_codes(tx, cx, &user).await? } else { Vec::new() };
            Ok(Some(codes))
        })
    });
    judged.await?.ok_or_else(|| Error::field("code", "is not right"))
}

/// Takes the authenticator app away, if there is one.
pub async fn totp_remove(app: &App, call: &Call) -> Result<()> {
    call.confirmed()?;
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            if store::totp_remove(tx, user.id, cx.wall).await? {
                audited(tx, cx, &user, "user.totp_remove");
            }
            Ok(())
        })
    })
    .await
}

/// Recovery codes in the place of those before; they are shown this once.
pub async fn recovery_codes(app: &App, call: &Call) -> Result<Vec<String>> {
    call.confirmed()?;
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            new_codes(tx, cx, &user).await
        })
    })
    .await
}

pub(super) async fn new_codes(tx: &mut Tx, cx: &Cx, user: &User) -> Result<Vec<String>> {
    let codes = (0..CODES).map(|_| code()).collect::<Result<Vec<String>>>()?;
    let hashes: Vec<[u8; 32]> = codes.iter().map(|code| code_hash(user, code)).collect();
    store::recovery_codes_replace(tx, user.id, &hashes).await?;
    audited(tx, cx, user, "user.recovery_codes");
    Ok(codes)
}

fn code() -> Result<String> {
    let mut bytes = [0u8; CODE_LEN];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Internal("the system gave no random bytes"))?;
    // 256 is a multiple of 32: each character is equally likely.
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// Counts an attempt of whoever has a session, which keeps nobody else waiting.
pub(super) async fn count_here(tx: &mut Tx, cx: &Cx, user: &User) -> Result<Counted> {
    let place = Place::Session(cx.call.session()?.session_id);
    attempts::count(tx, &user.email, place, cx.wall).await
}

/// Proves anew who one is, so that what is dangerous is allowed for a while. The session goes on with another cookie: its
/// text.
pub async fn step_up(app: &App, call: &Call, factor: Factor) -> Result<String> {
    if factor.method == Method::Password {
        let (counted, _) = super::sessions::confirm_password(app, call, &factor.secret, "secret").await?;
        return app.act(call, counted, |tx, cx, counted| Box::pin(confirmed(tx, cx, counted))).await;
    }
    let judged = app.act(call, factor, |tx, cx, factor| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let counted = count_here(tx, cx, &user).await?;
            match is_right(tx, &user, factor, cx.wall).await? {
                true => confirmed(tx, cx, &counted).await.map(Some),
                false => Ok(None),
            }
        })
    });
    match judged.await? {
        Some(cookie) => Ok(cookie),
        None => {
            fail(app, call, Some(call.session()?.user_id)).await?;
            Err(Error::field("secret", "is not right"))
        }
    }
}

pub(super) async fn confirmed(tx: &mut Tx, cx: &Cx, counted: &Counted) -> Result<String> {
    let user = owner(tx, cx).await?;
    attempts::succeed(tx, counted, cx.wall).await?;
    audited(tx, cx, &user, "session.confirm");
    rotate(tx, cx).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_of_letters_that_are_told_apart() {
        let code = code().unwrap();
        assert_eq!(code.len(), 19);
        let letters = code.replace('-', "");
        assert!(letters.bytes().all(|byte| ALPHABET.contains(&byte)), "{code}");
    }
}
