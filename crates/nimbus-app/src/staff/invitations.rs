//! Invitations: how an account is opened by its owner, who sets the password.

use nimbus_core::{
    ids::InvitationId,
    staff::{INVITATION_HOURS, UserState, password_fault},
    time::Ts,
};
use nimbus_store::{
    Tx,
    staff::{self as store, Invitation, User},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{audited, token};
use crate::{
    App,
    actor::Call,
    credentials,
    error::{Error, Result, Unauthorized},
    unit::Cx,
};

const REFUSED: Error = Error::Unauthorized(Unauthorized::Credential);

/// An invitation as whoever invites is shown it, this once.
#[derive(Debug, Clone)]
pub struct Invited {
    pub user: User,
    pub token: String,
    /// Where it is accepted: the token stands behind the `#`, which browsers send to nobody.
    pub link: String,
    pub expires_at: Ts,
}

/// Makes an invitation to an account in the place of those before.
pub(super) async fn invite(tx: &mut Tx, cx: &Cx, user: User) -> Result<Invited> {
    store::invitations_void(tx, user.id, cx.wall).await?;
    let (token, hash) = token()?;
    let invitation = Invitation {
        id: InvitationId(Uuid::now_v7()),
        user_id: user.id,
        created_at: cx.wall,
        expires_at: cx.wall.plus_seconds(INVITATION_HOURS * 3600),
        used_at: None,
    };
    store::invitation_insert(tx, &invitation, &hash).await?;
    let link = format!("{}/console/invitation#{token}", cx.app.config().labels.public_url);
    Ok(Invited { user, token, link, expires_at: invitation.expires_at })
}

/// What somebody accepts an invitation with.
pub struct Accept {
    pub token: String,
    pub password: Zeroizing<String>,
}

/// An invitation that is good, and whose it is.
struct Open {
    invitation: Invitation,
    user: User,
}

/// Opens an account with an invitation and a password. One that is unknown, used or past its time is answered alike.
pub async fn accept(app: &App, call: &Call, command: Accept) -> Result<User> {
    let hash = credentials::hash(&command.token);
    let Open { invitation, user } =
        app.act(call, hash, |tx, cx, hash| Box::pin(async move { open(tx, cx, hash).await })).await?;
    if let Some(fault) = password_fault(&command.password, &user.email, &user.name) {
        return Err(Error::field("password", fault));
    }
    let password = app.passwords().hash(&command.password).await?;
    app.act(call, (hash, invitation.id, password), |tx, cx, (hash, id, password)| {
        Box::pin(async move {
            let Open { mut user, .. } = open(tx, cx, hash).await?;
            if !store::invitation_use(tx, *id, cx.wall).await? {
                return Err(REFUSED);
            }
            store::user_set_password(tx, user.id, Some(password)).await?;
            user.state = UserState::Active;
            user.updated_at = cx.wall;
            store::user_update(tx, &user).await?;
            user.version += 1;
            audited(tx, cx, &user, "user.accept");
            Ok(user)
        })
    })
    .await
}

async fn open(tx: &mut Tx, cx: &Cx, hash: &[u8; 32]) -> Result<Open> {
    let found = store::invitation_get(tx, hash).await?;
    let invitation = found.filter(|it| it.used_at.is_none() && it.expires_at > cx.wall).ok_or(REFUSED)?;
    let user = store::user_get(tx, invitation.user_id).await?;
    let user = user.filter(|user| user.state == UserState::Invited).ok_or(REFUSED)?;
    Ok(Open { invitation, user })
}
