//! Accounts of staff, their invitations and sessions, and what was tried in vain.

use nimbus_core::{
    access::Role,
    ids::{ClinicId, UserId},
    staff::{Ceremony, Method, Stage, UserState},
};
use nimbus_store::{
    Db, Error, Tx,
    page::Page,
    staff::{
        BreakGlass, Challenge, Invitation, Passkey, Session, User, attempt_block, attempt_clear,
        attempt_count, attempt_forgive, attempts_get, break_glass_active, break_glass_count, break_glass_end,
        break_glass_insert, break_glass_page, challenge_insert, challenge_take, device_insert, device_known,
        device_seen, invitation_get, invitation_insert, invitation_use, invitations_void,
        passkey_by_credential, passkey_copied, passkey_insert, passkey_remove, passkey_use, passkeys_of,
        recovery_code_use, recovery_codes_replace, session_authenticate, session_end, session_insert,
        session_list, session_rotate, session_touch, sessions_bound, sessions_end, staff_purge, totp_begin,
        totp_confirm, totp_get, totp_remove, totp_use, user_by_email, user_close, user_delete, user_get,
        user_insert, user_page, user_password, user_set_password, user_signed_in, user_update,
        users_suspend_of, users_with_role,
    },
    two_engines,
};

use crate::support::{after, assert_conflict, assert_sealed, clinic, id, now};

fn user(email: &str, roles: &[Role], clinic_id: Option<ClinicId>) -> User {
    User {
        id: id(),
        email: email.to_owned(),
        name: "Ada".to_owned(),
        roles: roles.to_vec(),
        clinic_id,
        state: UserState::Active,
        version: 1,
        created_at: now(),
        updated_at: now(),
        signed_in_at: None,
        has_totp: false,
        passkeys: 0,
        recovery_codes: 0,
    }
}

fn session(user: UserId) -> Session {
    Session {
        id: id(),
        user_id: user,
        stage: Stage::Full,
        method: Method::Password,
        created_at: now(),
        seen_at: now(),
        confirmed_at: now(),
        expires_at: after(3600),
        ended_at: None,
        address: Some("192.0.2.7".to_owned()),
        agent: None,
    }
}

async fn accounts(tx: &mut Tx) -> Result<(), Error> {
    let here = clinic(tx).await?;
    let (ada, own) = (
        user("ada@example.com", &[Role::SuperAdmin, Role::Auditor], None),
        user("own@example.com", &[Role::ClinicAdmin], Some(here)),
    );
    assert!(user_insert(tx, &ada).await? && user_insert(tx, &own).await?);
    assert!(!user_insert(tx, &User { id: id(), ..ada.clone() }).await?, "the address is taken");
    assert_eq!(user_get(tx, ada.id).await?.as_ref(), Some(&ada));
    assert_eq!(user_by_email(tx, "own@example.com").await?.as_ref(), Some(&own));
    let ids = |page: Vec<User>| page.into_iter().map(|user| user.id).collect::<Vec<_>>();
    assert_eq!(ids(user_page(tx, None, &Page::default()).await?.items), [own.id, ada.id]);
    assert_eq!(ids(user_page(tx, Some(here), &Page::default()).await?.items), [own.id]);

    user_update(tx, &User { name: "Ada L.".to_owned(), ..ada.clone() }).await?;
    assert_conflict(user_update(tx, &ada).await);
    let found = user_get(tx, ada.id).await?.unwrap();
    assert_eq!((found.name.as_str(), found.version), ("Ada L.", 2));
    assert_eq!(users_with_role(tx, Role::SuperAdmin).await?, 1);
    assert_eq!(users_with_role(tx, Role::Support).await?, 0);
    user_signed_in(tx, ada.id, after(5)).await?;
    assert_eq!(user_get(tx, ada.id).await?.unwrap().signed_in_at, Some(after(5)));

    assert_eq!(user_password(tx, ada.id).await?, None);
    user_set_password(tx, ada.id, Some("$argon2id$")).await?;
    assert_eq!(user_password(tx, ada.id).await?.as_deref(), Some("$argon2id$"));
    user_close(tx, ada.id).await?;
    assert_eq!(user_password(tx, ada.id).await?, None);

    let of_own = session(own.id);
    session_insert(tx, &of_own, &[1; 32]).await?;
    users_suspend_of(tx, here, after(9)).await?;
    assert_eq!(user_get(tx, own.id).await?.unwrap().state, UserState::Suspended);
    assert_eq!(session_authenticate(tx, &[1; 32]).await?.unwrap().session.ended_at, Some(after(9)));
    assert_eq!(user_get(tx, ada.id).await?.unwrap().state, UserState::Active, "of no clinic");

    assert!(user_delete(tx, ada.id, after(10)).await? && !user_delete(tx, ada.id, after(10)).await?);
    assert_eq!(user_get(tx, ada.id).await?, None);
    assert_eq!(users_with_role(tx, Role::SuperAdmin).await?, 0);
    assert!(user_insert(tx, &User { id: id(), ..ada }).await?, "the address is free again");
    Ok(())
}

async fn invitations(tx: &mut Tx) -> Result<(), Error> {
    let ada = user("ada@example.com", &[Role::SuperAdmin], None);
    user_insert(tx, &ada).await?;
    let invitation =
        |expires_at| Invitation { id: id(), user_id: ada.id, created_at: now(), expires_at, used_at: None };
    let (first, late) = (invitation(after(60)), invitation(after(90)));
    invitation_insert(tx, &first, &[1; 32]).await?;
    invitation_insert(tx, &late, &[2; 32]).await?;
    assert_eq!(invitation_get(tx, &[1; 32]).await?, Some(first.clone()));
    assert_eq!(invitation_get(tx, &[9; 32]).await?, None);
    assert!(!invitation_use(tx, first.id, after(60)).await?, "it is past its time");
    assert!(
        invitation_use(tx, first.id, after(59)).await? && !invitation_use(tx, first.id, after(59)).await?
    );
    invitations_void(tx, ada.id, after(30)).await?;
    assert!(!invitation_use(tx, late.id, after(31)).await?);
    assert_eq!(invitation_get(tx, &[1; 32]).await?.unwrap().used_at, Some(after(59)));
    Ok(())
}

async fn sessions(tx: &mut Tx) -> Result<(), Error> {
    let ada = user("ada@example.com", &[Role::SuperAdmin], None);
    user_insert(tx, &ada).await?;
    let (first, second) = (session(ada.id), session(ada.id));
    session_insert(tx, &first, &[1; 32]).await?;
    session_insert(tx, &second, &[2; 32]).await?;
    let pending = Session { stage: Stage::SecondFactor, ..session(ada.id) };
    session_insert(tx, &pending, &[3; 32]).await?;
    let found = session_authenticate(tx, &[1; 32]).await?.unwrap();
    assert_eq!((&found.session, &found.user), (&first, &ada));
    assert_eq!(session_authenticate(tx, &[9; 32]).await?, None);
    let listed = session_list(tx, ada.id, now()).await?;
    assert_eq!(listed, [second.clone(), first.clone()], "what waits for its second factor is none");
    assert_eq!(session_list(tx, ada.id, after(3600)).await?, []);

    session_touch(tx, first.id, after(60)).await?;
    session_touch(tx, first.id, after(30)).await?;
    assert_eq!(session_authenticate(tx, &[1; 32]).await?.unwrap().session.seen_at, after(60));
    assert!(session_rotate(tx, first.id, (&[1; 32], &[4; 32]), after(70)).await?);
    assert!(!session_rotate(tx, first.id, (&[1; 32], &[5; 32]), after(70)).await?);
    assert_eq!(session_authenticate(tx, &[1; 32]).await?, None);
    assert_eq!(session_authenticate(tx, &[4; 32]).await?.unwrap().session.confirmed_at, after(70));

    assert!(!session_end(tx, id(), first.id, after(80)).await?, "somebody else's");
    assert!(session_end(tx, ada.id, first.id, after(80)).await?);
    assert!(!session_end(tx, ada.id, first.id, after(80)).await?);
    assert_eq!(sessions_end(tx, ada.id, Some(second.id), after(80)).await?, 1, "the pending one");
    let third = session(ada.id);
    session_insert(tx, &third, &[6; 32]).await?;
    sessions_bound(tx, ada.id, 1, after(80)).await?;
    assert_eq!(session_list(tx, ada.id, after(80)).await?, [third]);
    user_delete(tx, ada.id, after(90)).await?;
    assert_eq!(session_authenticate(tx, &[6; 32]).await?, None);
    Ok(())
}

async fn attempts(tx: &mut Tx) -> Result<(), Error> {
    let count = async |tx: &mut Tx, seconds: i64| {
        attempt_count(tx, &[1; 32], "here", (after(seconds - 100), after(seconds))).await
    };
    assert_eq!(attempts_get(tx, &[1; 32], "here").await?, None);
    assert_eq!([count(tx, 0).await?, count(tx, 1).await?, count(tx, 2).await?], [Some(1), Some(2), Some(3)]);
    assert_eq!(attempt_count(tx, &[1; 32], "there", (now(), after(2))).await?, Some(1), "another place");
    assert_eq!(
        attempt_count(tx, &[1; 32], "there", (now(), after(1))).await?,
        Some(2),
        "by an earlier clock"
    );
    attempt_block(tx, &[1; 32], "here", after(30)).await?;
    assert_eq!(count(tx, 29).await?, None);
    let found = attempts_get(tx, &[1; 32], "here").await?.unwrap();
    assert_eq!((found.failures, found.failed_at, found.blocked_until), (3, after(2), after(30)));
    assert_eq!(count(tx, 30).await?, Some(4));
    attempt_forgive(tx, &[1; 32], "here", now()).await?;
    assert_eq!(count(tx, 29).await?, Some(4));
    assert_eq!(count(tx, 200).await?, Some(1), "what is old counts no more");
    attempt_clear(tx, &[1; 32], "here").await?;
    assert_eq!(attempts_get(tx, &[1; 32], "here").await?, None);

    let ada = user("ada@example.com", &[Role::SuperAdmin], None);
    user_insert(tx, &ada).await?;
    device_insert(tx, &[7; 32], ada.id, now()).await?;
    assert!(device_known(tx, &[7; 32], ada.id, now()).await?);
    assert!(
        !device_known(tx, &[7; 32], id(), now()).await? && !device_known(tx, &[8; 32], ada.id, now()).await?
    );
    assert!(!device_known(tx, &[7; 32], ada.id, after(1)).await?);
    device_seen(tx, &[7; 32], after(5)).await?;
    assert!(device_known(tx, &[7; 32], ada.id, after(1)).await?);

    // A day lets go of attempts, a month of sessions, half a year of browsers.
    session_insert(tx, &session(ada.id), &[1; 32]).await?;
    let day = 86_400;
    staff_purge(tx, after(2 * day), 10).await?;
    assert_eq!(attempts_get(tx, &[1; 32], "there").await?, None);
    assert!(session_authenticate(tx, &[1; 32]).await?.is_some());
    staff_purge(tx, after(31 * day), 10).await?;
    assert_eq!(session_authenticate(tx, &[1; 32]).await?, None);
    assert!(device_known(tx, &[7; 32], ada.id, now()).await?);
    staff_purge(tx, after(181 * day), 10).await?;
    assert!(!device_known(tx, &[7; 32], ada.id, now()).await?);
    Ok(())
}

async fn factors(tx: &mut Tx) -> Result<(), Error> {
    let ada = user("ada@example.com", &[Role::SuperAdmin], None);
    user_insert(tx, &ada).await?;
    let secret = b"a secret of twenty b";
    assert!(totp_get(tx, ada.id).await?.is_none() && !totp_use(tx, ada.id, 5).await?);
    assert!(totp_begin(tx, ada.id, b"another, of which no code was seen").await?);
    assert!(totp_begin(tx, ada.id, secret).await?);
    let sql = "select totp_secret from staff_users where id = $1";
    assert_sealed(tx, sql, ada.id.0, "a secret of twenty b").await;
    let kept = totp_get(tx, ada.id).await?.unwrap();
    assert_eq!((kept.secret.as_slice(), kept.confirmed_at, kept.step), (secret.as_slice(), None, 0));
    assert!(!user_get(tx, ada.id).await?.unwrap().has_totp);
    assert!(
        totp_use(tx, ada.id, 5).await? && !totp_use(tx, ada.id, 5).await? && !totp_use(tx, ada.id, 4).await?
    );
    totp_confirm(tx, ada.id, after(1)).await?;
    assert!(user_get(tx, ada.id).await?.unwrap().has_second_factor());
    assert!(!totp_begin(tx, ada.id, b"one that takes its place").await?);

    recovery_codes_replace(tx, ada.id, &[[1; 32], [2; 32]]).await?;
    assert!(!recovery_code_use(tx, id(), &[1; 32], now()).await?, "somebody else's");
    assert!(recovery_code_use(tx, ada.id, &[1; 32], now()).await?);
    assert!(!recovery_code_use(tx, ada.id, &[1; 32], now()).await?);
    assert_eq!(user_get(tx, ada.id).await?.unwrap().recovery_codes, 1);
    recovery_codes_replace(tx, ada.id, &[[3; 32]]).await?;
    assert!(!recovery_code_use(tx, ada.id, &[2; 32], now()).await?);
    assert!(totp_remove(tx, ada.id, after(2)).await? && !totp_remove(tx, ada.id, after(2)).await?);
    assert!(totp_get(tx, ada.id).await?.is_none());
    Ok(())
}

async fn passkeys(tx: &mut Tx) -> Result<(), Error> {
    let (ada, tom) =
        (user("ada@example.com", &[Role::SuperAdmin], None), user("tom@example.com", &[Role::Support], None));
    assert!(user_insert(tx, &ada).await? && user_insert(tx, &tom).await?);
    let passkey = |user: &User, credential: u8| Passkey {
        id: id(),
        user_id: user.id,
        credential_id: vec![credential; 1023],
        public_key: vec![2; 77],
        sign_count: u32::MAX - 1,
        name: "Laptop".to_owned(),
        created_at: now(),
        used_at: None,
        backup_eligible: true,
        backed_up: false,
        copied_at: None,
    };
    let (first, second) = (passkey(&ada, 1), passkey(&ada, 2));
    assert!(passkey_insert(tx, &first, 2).await? && passkey_insert(tx, &second, 2).await?);
    assert!(!passkey_insert(tx, &passkey(&ada, 3), 2).await?, "she has as many as she may");
    assert!(!passkey_insert(tx, &passkey(&tom, 1), 2).await?, "the credential is hers");
    assert_eq!(passkeys_of(tx, ada.id).await?, [second.clone(), first.clone()]);
    assert_eq!(passkey_by_credential(tx, &[1; 1023]).await?.as_ref(), Some(&first));
    assert_eq!(passkey_by_credential(tx, &[1; 1022]).await?, None);
    let found = user_get(tx, ada.id).await?.unwrap();
    assert!(found.passkeys == 2 && found.has_second_factor() && found.version > ada.version);

    assert!(passkey_use(tx, &first, u32::MAX, true, after(1)).await?);
    assert!(!passkey_use(tx, &first, u32::MAX, true, after(1)).await?, "another one was first");
    passkey_copied(tx, first.id, after(2)).await?;
    let used = Passkey {
        sign_count: u32::MAX,
        backed_up: true,
        used_at: Some(after(1)),
        copied_at: Some(after(2)),
        ..first.clone()
    };
    assert_eq!(passkey_by_credential(tx, &[1; 1023]).await?, Some(used));
    assert!(!passkey_remove(tx, tom.id, first.id, now()).await?, "somebody else's");
    assert!(passkey_remove(tx, ada.id, first.id, now()).await?);
    assert!(!passkey_remove(tx, ada.id, first.id, now()).await?);
    assert_eq!(passkeys_of(tx, ada.id).await?, [second]);
    Ok(())
}

async fn challenges(tx: &mut Tx) -> Result<(), Error> {
    let ada = user("ada@example.com", &[Role::SuperAdmin], None);
    user_insert(tx, &ada).await?;
    let challenge = |byte, ceremony, user_id| Challenge {
        id: id(),
        ceremony,
        user_id,
        bytes: [byte; 32],
        expires_at: after(60),
    };
    challenge_insert(tx, &challenge(1, Ceremony::Register, Some(ada.id))).await?;
    challenge_insert(tx, &challenge(2, Ceremony::StepUp, Some(ada.id))).await?;
    challenge_insert(tx, &challenge(3, Ceremony::SignIn, None)).await?;
    challenge_insert(tx, &challenge(4, Ceremony::SignIn, None)).await?;
    for (byte, ceremony, user, seconds) in [
        (1, Ceremony::StepUp, Some(ada.id), 0),
        (1, Ceremony::Register, Some(id()), 0),
        (1, Ceremony::Register, None, 0),
        (1, Ceremony::Register, Some(ada.id), 60),
        (3, Ceremony::SignIn, Some(ada.id), 0),
        (9, Ceremony::SignIn, None, 0),
    ] {
        assert!(
            !challenge_take(tx, &[byte; 32], ceremony, user, after(seconds)).await?,
            "{byte} {ceremony:?}"
        );
    }
    assert!(challenge_take(tx, &[1; 32], Ceremony::Register, Some(ada.id), after(59)).await?);
    assert!(!challenge_take(tx, &[1; 32], Ceremony::Register, Some(ada.id), after(59)).await?, "once");
    assert!(challenge_take(tx, &[3; 32], Ceremony::SignIn, None, now()).await?);
    challenge_insert(tx, &challenge(5, Ceremony::StepUp, Some(ada.id))).await?;
    assert!(
        !challenge_take(tx, &[2; 32], Ceremony::StepUp, Some(ada.id), now()).await?,
        "its place is taken"
    );

    staff_purge(tx, after(60), 10).await?;
    assert!(challenge_take(tx, &[5; 32], Ceremony::StepUp, Some(ada.id), now()).await?, "until it is over");
    staff_purge(tx, after(61), 10).await?;
    assert!(!challenge_take(tx, &[4; 32], Ceremony::SignIn, None, now()).await?);
    Ok(())
}

async fn glass(tx: &mut Tx) -> Result<(), Error> {
    let (here, ada) = (clinic(tx).await?, user("ada@example.com", &[Role::SuperAdmin], None));
    user_insert(tx, &ada).await?;
    let glass = BreakGlass {
        id: id(),
        user_id: ada.id,
        clinic_id: Some(here),
        reason: "A wrong label was reported".to_owned(),
        created_at: now(),
        expires_at: after(60),
        ended_at: None,
    };
    break_glass_insert(tx, &glass).await?;
    assert_eq!(break_glass_active(tx, ada.id, after(59)).await?.as_ref(), Some(&glass));
    assert_eq!(break_glass_active(tx, ada.id, after(60)).await?, None);
    assert_eq!(break_glass_active(tx, id(), now()).await?, None);
    assert_eq!([break_glass_count(tx, now()).await?, break_glass_count(tx, after(60)).await?], [1, 0]);
    assert_eq!(
        [break_glass_end(tx, ada.id, after(5)).await?, break_glass_end(tx, ada.id, after(5)).await?],
        [1, 0]
    );
    assert_eq!(break_glass_active(tx, ada.id, after(6)).await?, None);
    let ended = BreakGlass { ended_at: Some(after(5)), ..glass };
    assert_eq!(break_glass_page(tx, &Page::default()).await?.items, [ended]);
    Ok(())
}

two_engines! {
    async fn accounts_are_kept(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(accounts(tx))).await.unwrap();
    }

    async fn invitations_are_good_once(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(invitations(tx))).await.unwrap();
    }

    async fn sessions_are_found_and_ended(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(sessions(tx))).await.unwrap();
    }

    async fn second_factors_are_sealed_and_good_once(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(factors(tx))).await.unwrap();
    }

    async fn passkeys_are_one_accounts_alone(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(passkeys(tx))).await.unwrap();
    }

    async fn challenges_are_good_once_and_for_one_thing(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(challenges(tx))).await.unwrap();
    }

    async fn broken_glass_is_kept(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(glass(tx))).await.unwrap();
    }

    async fn what_was_tried_in_vain_is_counted(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(attempts(tx))).await.unwrap();
    }
}
