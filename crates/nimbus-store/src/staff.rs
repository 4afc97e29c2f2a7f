//! Accounts of staff, what they prove who they are with, their sessions, and what was tried in vain.

mod attempts;
mod devices;
mod factors;
mod glass;
mod invitations;
mod passkeys;
mod sessions;
mod users;

pub use attempts::{Attempt, attempt_block, attempt_clear, attempt_count, attempt_forgive, attempts_get};
pub use devices::{device_insert, device_known, device_seen};
pub use factors::{
    TotpSecret, recovery_code_use, recovery_codes_replace, totp_begin, totp_confirm, totp_get, totp_remove,
    totp_use,
};
pub use glass::{
    BreakGlass, break_glass_active, break_glass_count, break_glass_end, break_glass_insert, break_glass_page,
};
pub use invitations::{Invitation, invitation_get, invitation_insert, invitation_use, invitations_void};
pub use passkeys::{
    Challenge, Passkey, challenge_insert, challenge_take, passkey_by_credential, passkey_copied,
    passkey_insert, passkey_remove, passkey_use, passkeys_of,
};
pub use sessions::{
    Session, SessionUser, session_authenticate, session_end, session_insert, session_list, session_rotate,
    session_touch, sessions_bound, sessions_end,
};
pub use users::{
    User, user_by_email, user_close, user_delete, user_get, user_insert, user_page, user_password,
    user_set_password, user_signed_in, user_update, users_suspend_of, users_with_role,
};

use nimbus_core::{staff, time::Ts};

use crate::{
    engine::{Statement, Tx},
    error::Result,
};

/// What is past its use: invitations and sessions are kept this long after their end, so that lists can show them.
const KEPT_DAYS: i64 = 30;

/// Lets go of what is over, of each kind at most so many rows. Sessions, invitations and browsers that may still be good
/// for something stay.
pub async fn staff_purge(tx: &mut Tx, now: Ts, limit: u32) -> Result<()> {
    let ended = now.plus_days(-KEPT_DAYS);
    let steps = [
        (
            "delete from staff_sessions where id in (
                select id from staff_sessions where expires_at < $1 order by expires_at limit $2)",
            ended,
        ),
        (
            "delete from staff_invitations where id in (
                select id from staff_invitations where expires_at < $1 order by expires_at limit $2)",
            ended,
        ),
        (
            "delete from staff_devices where hash in (
                select hash from staff_devices where seen_at < $1 order by seen_at limit $2)",
            now.plus_days(-staff::DEVICE_DAYS),
        ),
        (
            "delete from staff_challenges where id in (
                select id from staff_challenges where expires_at < $1 order by expires_at limit $2)",
            now,
        ),
        (
            "delete from staff_attempts where (account, place) in (
                select account, place from staff_attempts where failed_at < $1 order by failed_at limit $2)",
            now.plus_seconds(-staff::FAILURES_HOURS * 3600),
        ),
    ];
    let statements = steps.map(|(sql, before)| Statement::new(sql, vec![before.into(), limit.into()]));
    tx.batch(statements.into()).await.map(drop)
}
