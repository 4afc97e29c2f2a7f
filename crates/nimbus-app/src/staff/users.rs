//! Accounts as administrators keep them: all of them, or those of one's own clinic.

use nimbus_core::{
    access::Role,
    ids::{ClinicId, UserId},
    refusal::Refusal,
    staff::{UserState, roles_fault},
};
use nimbus_store::{
    Tx,
    page::{Page, Slice},
    staff::{self as store, Session, User},
    tenants,
};
use uuid::Uuid;

use super::{
    NO_USER, audited,
    invitations::{Invited, invite},
};
use crate::{
    App,
    actor::{Actor, Call, StaffActor, StaffCredential, USER_MANAGERS},
    error::{Error, Result},
    unit::{Cx, Render, Reply},
};

/// Somebody to invite.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Of any letter case.
    pub email: String,
    pub name: String,
    pub roles: Vec<Role>,
    /// For the role clinic_admin.
    pub clinic_id: Option<ClinicId>,
}

/// What is left out stays as it is.
#[derive(Debug, Clone)]
pub struct Update {
    pub id: UserId,
    pub name: Option<String>,
    pub roles: Option<Vec<Role>>,
    pub clinic_id: Option<Option<ClinicId>>,
    /// Whether it is suspended, or no longer.
    pub suspended: Option<bool>,
}

pub async fn create(app: &App, call: &Call, new: NewUser, render: Render<Invited>) -> Result<Reply> {
    call.reach(USER_MANAGERS)?;
    call.confirmed()?;
    app.write(call, new, render, |tx, cx, new| Box::pin(create_in(tx, cx, new))).await
}

/// [`create`] by a command on the server.
pub async fn invite_first(app: &App, call: &Call, new: NewUser) -> Result<Invited> {
    call.reach(USER_MANAGERS)?;
    app.act(call, new, |tx, cx, new| Box::pin(create_in(tx, cx, new))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, new: &NewUser) -> Result<Invited> {
    let user = User {
        id: UserId(Uuid::now_v7()),
        email: new.email.to_lowercase(),
        name: new.name.clone(),
        roles: new.roles.clone(),
        clinic_id: new.clinic_id,
        state: UserState::Invited,
        version: 1,
        created_at: cx.wall,
        updated_at: cx.wall,
        signed_in_at: None,
        has_totp: false,
        passkeys: 0,
        recovery_codes: 0,
    };
    may_be(tx, cx, &user).await?;
    if !store::user_insert(tx, &user).await? {
        return Err(Error::field("email", "is another account's"));
    }
    audited(tx, cx, &user, "user.invite");
    invite(tx, cx, user).await
}

/// Whether the caller may have an account be so: its roles go together, and who reaches one clinic makes administrators
/// of that clinic alone.
async fn may_be(tx: &mut Tx, cx: &Cx, user: &User) -> Result<()> {
    if let Some((field, fault)) = roles_fault(&user.roles, user.clinic_id.is_some()) {
        return Err(Error::field(field, fault));
    }
    if let Some(own) = cx.call.reach(USER_MANAGERS)? {
        if user.roles != [Role::ClinicAdmin] {
            return Err(Error::field("roles", "must be clinic_admin, as yours"));
        }
        if user.clinic_id != Some(own) {
            return Err(Error::field("clinic_id", "Clinic not found"));
        }
    }
    if let Some(clinic) = user.clinic_id {
        let found = tenants::clinic_get(tx, clinic).await?.filter(|clinic| clinic.deleted_at.is_none());
        found.ok_or(Error::field("clinic_id", "Clinic not found"))?;
    }
    Ok(())
}

/// An account that the caller reaches; another is as if there were none.
async fn reached(tx: &mut Tx, cx: &Cx, id: UserId) -> Result<User> {
    let user = store::user_get(tx, id).await?.ok_or(NO_USER)?;
    match cx.call.reach(USER_MANAGERS)? {
        Some(clinic) if user.clinic_id != Some(clinic) => Err(NO_USER),
        _ => Ok(user),
    }
}

/// Accounts, newest first.
pub async fn page(app: &App, call: &Call, page: Page) -> Result<Slice<User>> {
    let clinic = call.reach(USER_MANAGERS)?;
    app.read(call, (clinic, page), |tx, _, (clinic, page)| {
        Box::pin(async move { Ok((store::user_page(tx, *clinic, page).await?, Vec::new())) })
    })
    .await
}

pub async fn get(app: &App, call: &Call, id: UserId) -> Result<User> {
    call.reach(USER_MANAGERS)?;
    app.read(call, id, |tx, cx, &id| Box::pin(async move { Ok((reached(tx, cx, id).await?, Vec::new())) }))
        .await
}

/// The sessions of an account that are in force, newest first.
pub async fn sessions(app: &App, call: &Call, id: UserId) -> Result<Vec<Session>> {
    call.reach(USER_MANAGERS)?;
    app.read(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let user = reached(tx, cx, id).await?;
            Ok((super::sessions::in_force(tx, cx, user.id).await?, Vec::new()))
        })
    })
    .await
}

/// Changes an account. Its sessions end where it may do other things now, or nothing.
pub async fn update(app: &App, call: &Call, command: Update, render: Render<User>) -> Result<Reply> {
    call.reach(USER_MANAGERS)?;
    call.confirmed()?;
    app.write(call, command, render, |tx, cx, command| Box::pin(update_in(tx, cx, command))).await
}

async fn update_in(tx: &mut Tx, cx: &Cx, command: &Update) -> Result<User> {
    let before = reached(tx, cx, command.id).await?;
    cx.must_match(before.version)?;
    let mut user = User { updated_at: cx.wall, ..before.clone() };
    if let Some(name) = &command.name {
        user.name.clone_from(name);
    }
    if let Some(roles) = &command.roles {
        user.roles.clone_from(roles);
    }
    user.clinic_id = command.clinic_id.unwrap_or(user.clinic_id);
    let may_other = user.roles != before.roles || user.clinic_id != before.clinic_id;
    if may_other {
        refuse_own(cx, &user, "roles", "are not changed by whose they are")?;
        may_be(tx, cx, &user).await?;
    }
    match (command.suspended, before.state) {
        (Some(true), UserState::Active | UserState::Invited) => {
            refuse_own(cx, &user, "state", "is not changed by whose account it is")?;
            user.state = UserState::Suspended;
        }
        (Some(false), UserState::Suspended) => {
            let is_open = store::user_password(tx, user.id).await?.is_some();
            user.state = if is_open { UserState::Active } else { UserState::Invited };
        }
        _ => {}
    }
    let ends = may_other || user.state == UserState::Suspended;
    if !is_super_admin(&user) && is_super_admin(&before) {
        keep_one(tx, "roles").await?;
    }
    store::user_update(tx, &user).await?;
    user.version += 1;
    if ends {
        store::sessions_end(tx, user.id, None, cx.wall).await?;
    }
    audited(tx, cx, &user, if user.state == before.state { "user.update" } else { state_act(user.state) });
    if may_other {
        audited(tx, cx, &user, "user.roles");
    }
    Ok(user)
}

const fn state_act(state: UserState) -> &'static str {
    match state {
        UserState::Suspended => "user.suspend",
        UserState::Active | UserState::Invited => "user.restore",
    }
}

fn is_super_admin(user: &User) -> bool {
    user.state == UserState::Active && user.roles.contains(&Role::SuperAdmin)
}

/// Refuses that the last one goes who can let others in.
async fn keep_one(tx: &mut Tx, field: &str) -> Result<()> {
    match store::users_with_role(tx, Role::SuperAdmin).await? {
        0 | 1 => Err(Error::field(field, "the last active super_admin must stay")),
        _ => Ok(()),
    }
}

fn refuse_own(cx: &Cx, user: &User, field: &str, fault: &str) -> Result<()> {
    match &cx.call.actor {
        Actor::Staff(StaffActor { credential: StaffCredential::Session(own), .. })
            if own.user_id == user.id =>
        {
            Err(Error::field(field, fault))
        }
        _ => Ok(()),
    }
}

pub async fn delete(app: &App, call: &Call, id: UserId, render: Render<()>) -> Result<Reply> {
    call.reach(USER_MANAGERS)?;
    call.confirmed()?;
    app.write(call, id, render, |tx, cx, &id| {
        Box::pin(async move {
            let user = reached(tx, cx, id).await?;
            refuse_own(cx, &user, "id", "is not deleted by whose account it is")?;
            if is_super_admin(&user) {
                keep_one(tx, "id").await?;
            }
            store::invitations_void(tx, id, cx.wall).await?;
            store::sessions_end(tx, id, None, cx.wall).await?;
            store::user_delete(tx, id, cx.wall).await?;
            audited(tx, cx, &user, "user.delete");
            Ok(())
        })
    })
    .await
}

/// Takes from an account all that opens it, and invites its owner anew.
pub async fn reset(app: &App, call: &Call, id: UserId, render: Render<Invited>) -> Result<Reply> {
    call.reach(USER_MANAGERS)?;
    call.confirmed()?;
    app.write(call, id, render, |tx, cx, id| Box::pin(reset_in(tx, cx, *id))).await
}

/// [`reset`] by a command on the server, of the account of an address.
pub async fn reset_by_email(app: &App, call: &Call, email: String) -> Result<Invited> {
    call.reach(USER_MANAGERS)?;
    app.act(call, email, |tx, cx, email| {
        Box::pin(async move {
            let user = store::user_by_email(tx, &email.to_lowercase()).await?.ok_or(NO_USER)?;
            reset_in(tx, cx, user.id).await
        })
    })
    .await
}

async fn reset_in(tx: &mut Tx, cx: &Cx, id: UserId) -> Result<Invited> {
    let before = reached(tx, cx, id).await?;
    if before.state == UserState::Suspended {
        return Err(Refusal::transition(before.state.as_str(), UserState::Invited.as_str()).into());
    }
    // Whoever resets the last one could be kept out for good, if the invitation came to nothing.
    let is_last = is_super_admin(&before) && !matches!(cx.call.actor, Actor::System(_));
    if is_last {
        keep_one(tx, "id").await?;
    }
    store::sessions_end(tx, id, None, cx.wall).await?;
    store::user_close(tx, id).await?;
    let mut user = User { state: UserState::Invited, updated_at: cx.wall, ..before };
    store::user_update(tx, &user).await?;
    user.version += 1;
    (user.has_totp, user.passkeys, user.recovery_codes) = (false, 0, 0);
    audited(tx, cx, &user, "user.reset");
    invite(tx, cx, user).await
}

/// Ends all sessions of an account.
pub async fn sessions_revoke(app: &App, call: &Call, id: UserId, render: Render<u64>) -> Result<Reply> {
    call.reach(USER_MANAGERS)?;
    call.confirmed()?;
    app.write(call, id, render, |tx, cx, &id| {
        Box::pin(async move {
            let user = reached(tx, cx, id).await?;
            let ended = store::sessions_end(tx, id, None, cx.wall).await?;
            audited(tx, cx, &user, "user.sessions_revoke");
            Ok(ended)
        })
    })
    .await
}
