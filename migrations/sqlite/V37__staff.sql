-- Staff: their accounts, how they prove who they are, and their sessions. No secret stands here that opens anything by
-- itself: passwords are argon2id, tokens and codes are SHA-256, what must be read again is sealed by the platform's key.

-- `email` is in lower case, and one account's among those that are not deleted. `roles` are words separated by a space;
-- `clinic_id` is the one clinic that the role clinic_admin reaches. `password` is a PHC string; null before an
-- invitation is accepted. `totp_secret` is sealed; it counts from `totp_confirmed_at` on, and `totp_step` is the last
-- time step of which a code was taken, so that none is taken twice. A deleted account keeps its name: the audit log
-- speaks of it.
create table staff_users (
    id blob primary key,
    email text not null,
    name text not null,
    roles text not null,
    clinic_id blob references clinics (id),
    state text not null,
    password text,
    totp_secret blob,
    totp_confirmed_at integer,
    totp_step integer not null default 0,
    version integer not null default 1,
    created_at integer not null,
    updated_at integer not null,
    signed_in_at integer,
    deleted_at integer
) strict;
create unique index staff_users_email on staff_users (email) where deleted_at is null;

-- What an account is opened with, or opened again after a reset: once, for a while.
create table staff_invitations (
    id blob primary key,
    user_id blob not null references staff_users (id),
    hash blob not null,
    created_at integer not null,
    expires_at integer not null,
    used_at integer
) strict;
create unique index staff_invitations_hash on staff_invitations (hash);
create index staff_invitations_by_user on staff_invitations (user_id);
create index staff_invitations_ending on staff_invitations (expires_at);

-- Sessions by the hash of their cookie. `stage` is 'second_factor' between the password and the second factor, and
-- 'full' after it. `seen_at` is not written with each request; `confirmed_at` is when a factor was given last.
create table staff_sessions (
    id blob primary key,
    user_id blob not null references staff_users (id),
    hash blob not null,
    stage text not null,
    method text not null,
    created_at integer not null,
    seen_at integer not null,
    confirmed_at integer not null,
    expires_at integer not null,
    ended_at integer,
    address text,
    agent text
) strict;
create unique index staff_sessions_hash on staff_sessions (hash);
create index staff_sessions_by_user on staff_sessions (user_id, expires_at);
create index staff_sessions_ending on staff_sessions (expires_at);

-- Codes for whoever has lost the second factor, each good once.
create table staff_recovery_codes (
    user_id blob not null references staff_users (id),
    hash blob not null,
    used_at integer,
    primary key (user_id, hash)
) strict;

-- Passkeys: `credential_id` and `public_key` (COSE) as the authenticator gave them, and its count of signatures.
create table staff_passkeys (
    id blob primary key,
    user_id blob not null references staff_users (id),
    credential_id blob not null,
    public_key blob not null,
    sign_count integer not null,
    name text not null,
    created_at integer not null,
    used_at integer
) strict;
create unique index staff_passkeys_credential on staff_passkeys (credential_id);
create index staff_passkeys_by_user on staff_passkeys (user_id);

-- What a passkey is to sign, once: `user_id` where a passkey is added to an account, null where somebody signs in.
create table staff_challenges (
    id blob primary key,
    user_id blob references staff_users (id),
    challenge blob not null,
    expires_at integer not null
) strict;
create index staff_challenges_ending on staff_challenges (expires_at);

-- Attempts to sign in that failed: `account` is a hash of the e-mail address, whether anybody has it or not, or of nothing
-- for those of a place whatever the account; `place` is a network, a browser that is known or a session.
create table staff_attempts (
    account blob not null,
    place text not null,
    failures integer not null,
    failed_at integer not null,
    blocked_until integer not null,
    primary key (account, place)
) strict;
create index staff_attempts_ending on staff_attempts (failed_at);

-- Browsers in which somebody has signed in, by the hash of their cookie: their failures are counted apart.
create table staff_devices (
    hash blob primary key,
    user_id blob not null references staff_users (id),
    created_at integer not null,
    seen_at integer not null
) strict;
create index staff_devices_by_user on staff_devices (user_id);
create index staff_devices_ending on staff_devices (seen_at);

-- Access to patient data for a reason and a while, by who has none: to one clinic's, or to all where it is null. These
-- rows stay as long as the audit log.
create table staff_break_glass (
    id blob primary key,
    user_id blob not null references staff_users (id),
    clinic_id blob references clinics (id),
    reason text not null,
    created_at integer not null,
    expires_at integer not null,
    ended_at integer
) strict;
create index staff_break_glass_by_user on staff_break_glass (user_id, expires_at);
