//! Accounts and sessions as staff are shown them.

use nimbus_app::{
    Rendered,
    staff::{Session, User, invitations::Invited, sessions::Current, sign_in::SignedIn},
};
use nimbus_core::{
    access::Role,
    staff::{CONFIRMED_MINUTES, Stage},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{fields::Checked, partner_api::envelope, wire::Time, words};

/// An account of staff.
#[derive(Serialize, ToSchema)]
pub struct StaffUser {
    pub user_id: Uuid,
    /// In lower case.
    #[schema(example = "jane.okafor@example.com")]
    pub email: String,
    #[schema(example = "Jane Okafor")]
    pub name: String,
    #[schema(value_type = Vec<words::StaffRole>)]
    pub roles: Vec<&'static str>,
    /// The one clinic that it reaches; null: the role is of none.
    pub clinic_id: Option<Uuid>,
    #[schema(value_type = words::StaffUserState)]
    pub state: &'static str,
    /// Whether it has a second factor.
    pub second_factor: bool,
    pub created_at: Time,
    pub updated_at: Time,
    pub signed_in_at: Option<Time>,
}

impl From<&User> for StaffUser {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.id.0,
            email: user.email.clone(),
            name: user.name.clone(),
            roles: user.roles.iter().copied().map(Role::as_str).collect(),
            clinic_id: user.clinic_id.map(|id| id.0),
            state: user.state.as_str(),
            second_factor: user.has_second_factor(),
            created_at: Time(user.created_at),
            updated_at: Time(user.updated_at),
            signed_in_at: user.signed_in_at.map(Time),
        }
    }
}

/// An account with what it is opened with.
#[derive(Serialize, ToSchema)]
pub struct InvitedUser {
    pub user: StaffUser,
    pub invitation: InvitationView,
}

#[derive(Serialize, ToSchema)]
pub struct InvitationView {
    /// It is shown this once.
    #[schema(example = "hjLBJ5Zv0T0FvUQ3a4nUXsYkH0rYJw8J1mUeP2sQb3E")]
    pub token: String,
    /// To be passed on to whom the account is for. What stands behind the `#` is sent to no server by opening it.
    #[schema(
        example = "https://api-sandbox.nimbus-os.com/console/invitation#hjLBJ5Zv0T0FvUQ3a4nUXsYkH0rYJw8J1mUeP2sQb3E"
    )]
    pub link: String,
    pub expires_at: Time,
}

impl From<&Invited> for InvitedUser {
    fn from(invited: &Invited) -> Self {
        let (token, link) = (invited.token.clone(), invited.link.clone());
        let invitation = InvitationView { token, link, expires_at: Time(invited.expires_at) };
        Self { user: StaffUser::from(&invited.user), invitation }
    }
}

/// A session that is in force.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    pub session_id: Uuid,
    /// What was given last to sign in.
    #[schema(value_type = words::SignInMethod)]
    pub method: &'static str,
    pub created_at: Time,
    /// To about a minute.
    pub seen_at: Time,
    /// It ends then, used or not.
    pub expires_at: Time,
    /// Where it was begun.
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
    /// What the browser calls itself.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    pub agent: Option<String>,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self {
            session_id: session.id.0,
            method: session.method.as_str(),
            created_at: Time(session.created_at),
            seen_at: Time(session.seen_at),
            expires_at: Time(session.expires_at),
            address: session.address.clone(),
            agent: session.agent.clone(),
        }
    }
}

/// How far a sign-in is.
#[derive(Serialize, ToSchema)]
pub struct SignInView {
    /// Whether the session is good for everything; if not, a second factor is wanted.
    #[schema(example = true)]
    pub signed_in: bool,
    /// What may be given as the second factor.
    #[schema(value_type = Vec<words::SecondFactor>)]
    pub second_factor: Vec<&'static str>,
    /// The account; null before the second factor.
    pub user: Option<StaffUser>,
    /// When this ends.
    pub expires_at: Time,
}

impl From<&SignedIn> for SignInView {
    fn from(signed_in: &SignedIn) -> Self {
        let is_full = signed_in.session.stage == Stage::Full;
        Self {
            signed_in: is_full,
            second_factor: if is_full { Vec::new() } else { factors(&signed_in.user) },
            user: is_full.then(|| StaffUser::from(&signed_in.user)),
            expires_at: Time(signed_in.session.expires_at),
        }
    }
}

/// What an account has beside its password.
fn factors(user: &User) -> Vec<&'static str> {
    let all =
        [("totp", user.has_totp), ("passkey", user.passkeys > 0), ("recovery_code", user.recovery_codes > 0)];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

/// The caller's own session.
#[derive(Serialize, ToSchema)]
pub struct CurrentSession {
    pub user: StaffUser,
    pub session: SessionView,
    /// When it ends if it is not used again.
    pub idle_ends_at: Time,
    /// Until when what is dangerous needs no factor again.
    pub confirmed_until: Time,
    /// Whether a second factor must be set up before anything else: in production each account has one.
    #[schema(example = false)]
    pub must_enrol: bool,
    /// The account's second factors.
    #[schema(value_type = Vec<words::SecondFactor>)]
    pub second_factor: Vec<&'static str>,
    /// Codes that were not used.
    pub recovery_codes: i64,
}

impl From<&Current> for CurrentSession {
    fn from(current: &Current) -> Self {
        let confirmed_until = current.session.confirmed_at.plus_seconds(CONFIRMED_MINUTES * 60);
        Self {
            user: StaffUser::from(&current.user),
            session: SessionView::from(&current.session),
            idle_ends_at: Time(current.idle_ends_at),
            confirmed_until: Time(confirmed_until),
            must_enrol: current.must_enrol,
            second_factor: factors(&current.user),
            recovery_codes: current.user.recovery_codes,
        }
    }
}

pub(crate) fn render_user(user: &User) -> Rendered {
    envelope::written(StaffUser::from(user), "OK").of_version(user.version)
}

pub(crate) fn render_invited(invited: &Invited) -> Rendered {
    envelope::written(InvitedUser::from(invited), "OK")
}

/// A secret as it was sent, to the letter: neither trimmed nor looked at. The bound keeps what is hashed small.
pub(crate) fn secret(value: &Value) -> Checked<Zeroizing<String>> {
    let text = value.as_str().ok_or("must be text")?;
    match text.chars().count() {
        1..=SECRET_MAX => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(format!("must have 1 to {SECRET_MAX} characters").into()),
    }
}

/// The longest secret that is read, in characters.
const SECRET_MAX: usize = 200;
