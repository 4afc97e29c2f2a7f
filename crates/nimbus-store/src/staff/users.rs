//! Accounts.

use nimbus_core::{
    access::Role,
    ids::{ClinicId, UserId},
    staff::UserState,
    time::Ts,
};

use crate::{
    engine::{Columns, Tx},
    error::{Error, Result},
    page::{Page, Slice, page_end_any, page_where_any},
    rows::word,
};

/// An account, without what its owner proves to be themselves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// In lower case.
    pub email: String,
    pub name: String,
    pub roles: Vec<Role>,
    /// The one clinic that it reaches, where its role is of one clinic.
    pub clinic_id: Option<ClinicId>,
    pub state: UserState,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
    pub signed_in_at: Option<Ts>,
    /// Whether codes of an authenticator app are asked for.
    pub has_totp: bool,
    pub passkeys: i64,
    /// Those that were not used.
    pub recovery_codes: i64,
}

impl User {
    /// Whether a password alone does not do.
    pub const fn has_second_factor(&self) -> bool {
        self.has_totp || self.passkeys > 0
    }
}

/// Columns of `staff_users u`.
macro_rules! user_columns {
    () => {
        "u.id, u.email, u.name, u.roles, u.clinic_id, u.state, u.version, u.created_at, u.updated_at, u.signed_in_at,
         (u.totp_confirmed_at is not null),
         (select count(*) from staff_passkeys p where p.user_id = u.id),
         (select count(*) from staff_recovery_codes c where c.user_id = u.id and c.used_at is null)"
    };
}
pub(super) use user_columns;

pub(super) fn read_user(columns: &mut Columns<'_>) -> Result<User> {
    Ok(User {
        id: columns.take()?,
        email: columns.take()?,
        name: columns.take()?,
        roles: roles(&columns.take::<String>()?)?,
        clinic_id: columns.take()?,
        state: word(&columns.take::<String>()?, UserState::parse, "staff_users.state")?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        signed_in_at: columns.take()?,
        has_totp: columns.take()?,
        passkeys: columns.take()?,
        recovery_codes: columns.take()?,
    })
}

fn roles(text: &str) -> Result<Vec<Role>> {
    text.split_whitespace().map(Role::parse).collect::<Option<_>>().ok_or(Error::Corrupt("staff_users.roles"))
}

fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ")
}

/// Adds an account; `false` if there is one of this address.
pub async fn user_insert(tx: &mut Tx, user: &User) -> Result<bool> {
    let sql =
        "insert into staff_users (id, email, name, roles, clinic_id, state, version, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (email) where deleted_at is null do nothing";
    let args = [
        user.id.into(),
        user.email.as_str().into(),
        user.name.as_str().into(),
        roles_text(&user.roles).into(),
        user.clinic_id.into(),
        user.state.as_str().into(),
        user.version.into(),
        user.created_at.into(),
        user.updated_at.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// An account that is not deleted.
pub async fn user_get(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    let sql =
        concat!("select ", user_columns!(), " from staff_users u where u.id = $1 and u.deleted_at is null");
    tx.query_opt(sql, &[id.into()]).await?.map(|row| read_user(&mut row.columns())).transpose()
}

/// The account of an address in lower case.
pub async fn user_by_email(tx: &mut Tx, email: &str) -> Result<Option<User>> {
    let sql = concat!(
        "select ",
        user_columns!(),
        " from staff_users u where u.email = $1 and u.deleted_at is null"
    );
    tx.query_opt(sql, &[email.into()]).await?.map(|row| read_user(&mut row.columns())).transpose()
}

/// Accounts that are not deleted, newest first: all, or those of one clinic.
pub async fn user_page(tx: &mut Tx, clinic: Option<ClinicId>, page: &Page) -> Result<Slice<User>> {
    let sql = concat!(
        "select ",
        user_columns!(),
        " from (select * from staff_users where (clinic_id = $7 or $7 is null) and deleted_at is null and ",
        page_where_any!(),
        page_end_any!(),
        ") u order by u.id desc"
    );
    let rows = tx.query(sql, &page.args_any([clinic.into()])).await?;
    let users: Vec<User> = rows.iter().map(|row| read_user(&mut row.columns())).collect::<Result<_>>()?;
    Ok(page.slice_plain(users, |user: &User| user.id.0))
}

/// Writes name, roles, clinic and state of an account that was read at `user.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since.
pub async fn user_update(tx: &mut Tx, user: &User) -> Result<()> {
    let sql = "update staff_users set name = $3, roles = $4, clinic_id = $5, state = $6, updated_at = $7,
            version = $2 + 1
        where id = $1 and version = $2 and deleted_at is null";
    let args = [
        user.id.into(),
        user.version.into(),
        user.name.as_str().into(),
        roles_text(&user.roles).into(),
        user.clinic_id.into(),
        user.state.as_str().into(),
        user.updated_at.into(),
    ];
    if tx.execute(sql, &args).await? == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// Deletes an account: it keeps its name, and nothing that opens it.
pub async fn user_delete(tx: &mut Tx, id: UserId, now: Ts) -> Result<bool> {
    let sql = "update staff_users set deleted_at = $2, updated_at = $2, version = version + 1
        where id = $1 and deleted_at is null";
    let is_there = tx.execute(sql, &[id.into(), now.into()]).await? == 1;
    user_close(tx, id).await?;
    Ok(is_there)
}

/// Takes from an account all that opens it: password, second factors, and the browsers that it is known in.
pub async fn user_close(tx: &mut Tx, id: UserId) -> Result<()> {
    for sql in [
        "update staff_users set password = null, totp_secret = null, totp_confirmed_at = null where id = $1",
        "delete from staff_passkeys where user_id = $1",
        "delete from staff_recovery_codes where user_id = $1",
        "delete from staff_challenges where user_id = $1",
        "delete from staff_devices where user_id = $1",
    ] {
        tx.execute(sql, &[id.into()]).await?;
    }
    Ok(())
}

/// The password of an account, as a PHC string.
pub async fn user_password(tx: &mut Tx, id: UserId) -> Result<Option<String>> {
    let sql = "select password from staff_users where id = $1 and deleted_at is null";
    let row = tx.query_opt(sql, &[id.into()]).await?;
    Ok(row.map(|row| row.columns().take()).transpose()?.flatten())
}

/// Sets the password, a PHC string, or takes it away.
pub async fn user_set_password(tx: &mut Tx, id: UserId, password: Option<&str>) -> Result<()> {
    let sql = "update staff_users set password = $2 where id = $1";
    tx.execute(sql, &[id.into(), password.into()]).await.map(drop)
}

/// Notes that somebody has signed in.
pub async fn user_signed_in(tx: &mut Tx, id: UserId, now: Ts) -> Result<()> {
    tx.execute("update staff_users set signed_in_at = $2 where id = $1", &[id.into(), now.into()])
        .await
        .map(drop)
}

/// How many active accounts have a role. Whoever decides by it is alone with it: the rows are locked until the commit.
pub async fn users_with_role(tx: &mut Tx, role: Role) -> Result<usize> {
    // A write of the same rows waits for this one: two who each leave the other as the last one do not both.
    let sql = "update staff_users set version = version
        where state = 'active' and deleted_at is null and ' ' || roles || ' ' like $1";
    let found = tx.execute(sql, &[format!("% {} %", role.as_str()).into()]).await?;
    Ok(usize::try_from(found).unwrap_or(usize::MAX))
}

/// Suspends the accounts that reach one clinic alone, and ends their sessions.
pub async fn users_suspend_of(tx: &mut Tx, clinic: ClinicId, now: Ts) -> Result<()> {
    let sql = "update staff_sessions set ended_at = $2 where ended_at is null
        and user_id in (select id from staff_users where clinic_id = $1)";
    tx.execute(sql, &[clinic.into(), now.into()]).await?;
    let sql = "update staff_users set state = 'suspended', updated_at = $2, version = version + 1
        where clinic_id = $1 and deleted_at is null and state <> 'suspended'";
    tx.execute(sql, &[clinic.into(), now.into()]).await.map(drop)
}
