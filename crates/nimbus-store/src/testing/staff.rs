//! Sessions of staff, and what their passkeys are to sign, as tests need them to be: older than they are.

use nimbus_core::{
    ids::{ChallengeId, SessionId},
    time::Ts,
};

use crate::{Db, Error, Tx};

/// Has every session have begun, and been used, so many seconds earlier.
pub async fn sessions_age(db: &Db, seconds: i64) {
    let aged = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            let read = "select id, created_at, seen_at, confirmed_at, expires_at from staff_sessions";
            for row in tx.query(read, &[]).await? {
                let mut columns = row.columns();
                let id: SessionId = columns.take()?;
                let mut args = vec![id.into()];
                for _ in 0..4 {
                    args.push(columns.take::<Ts>()?.plus_seconds(-seconds).into());
                }
                let write = "update staff_sessions set created_at = $2, seen_at = $3, confirmed_at = $4, expires_at = $5
                    where id = $1";
                tx.execute(write, &args).await?;
            }
            Ok::<_, Error>(())
        })
    });
    aged.await.expect("sessions are there");
}

/// Has every challenge have been given so many seconds earlier.
pub async fn challenges_age(db: &Db, seconds: i64) {
    let aged = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            for row in tx.query("select id, expires_at from staff_challenges", &[]).await? {
                let mut columns = row.columns();
                let (id, expires_at): (ChallengeId, Ts) = (columns.take()?, columns.take()?);
                let write = "update staff_challenges set expires_at = $2 where id = $1";
                tx.execute(write, &[id.into(), expires_at.plus_seconds(-seconds).into()]).await?;
            }
            Ok::<_, Error>(())
        })
    });
    aged.await.expect("challenges are there");
}
