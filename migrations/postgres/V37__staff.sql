-- Staff: their accounts, how they prove who they are, and their sessions. No secret stands here that opens anything by
-- itself: passwords are argon2id, tokens and codes are SHA-256, what must be read again is sealed by the platform's key.

-- `email` is in lower case, and one account's among those that are not deleted. `roles` are words separated by a space;
-- `clinic_id` is the one clinic that the role clinic_admin reaches. `password` is a PHC string; null before an
-- invitation is accepted. `totp_secret` is sealed; it counts from `totp_confirmed_at` on, and `totp_step` is the last
-- time step of which a code was taken, so that none is taken twice. A deleted account keeps its name: the audit log
-- speaks of it.
create table staff_users (
    id uuid primary key,
    email text not null,
    name text not null,
    roles text not null,
    clinic_id uuid references clinics (id),
    state text not null,
    password text,
    totp_secret bytea,
    totp_confirmed_at timestamptz,
    totp_step bigint not null default 0,
    version bigint not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    signed_in_at timestamptz,
    deleted_at timestamptz
);
create unique index staff_users_email on staff_users (email) where deleted_at is null;

-- What an account is opened with, or opened again after a reset: once, for a while.
create table staff_invitations (
    id uuid primary key,
    user_id uuid not null references staff_users (id),
    hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create unique index staff_invitations_hash on staff_invitations (hash);
create index staff_invitations_by_user on staff_invitations (user_id);
create index staff_invitations_ending on staff_invitations (expires_at);

-- Sessions by the hash of their cookie. `stage` is 'second_factor' between the password and the second factor, and
-- 'full' after it. `seen_at` is not written with each request; `confirmed_at` is when a factor was given last.
create table staff_sessions (
    id uuid primary key,
    user_id uuid not null references staff_users (id),
    hash bytea not null,
    stage text not null,
    method text not null,
    created_at timestamptz not null,
    seen_at timestamptz not null,
    confirmed_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    address text,
    agent text
);
create unique index staff_sessions_hash on staff_sessions (hash);
create index staff_sessions_by_user on staff_sessions (user_id, expires_at);
create index staff_sessions_ending on staff_sessions (expires_at);

-- Codes for whoever has lost the second factor, each good once.
create table staff_recovery_codes (
    user_id uuid not null references staff_users (id),
    hash bytea not null,
    used_at timestamptz,
    primary key (user_id, hash)
);

-- Passkeys: `credential_id` and `public_key` (COSE) as the authenticator gave them, and its count of signatures.
create table staff_passkeys (
    id uuid primary key,
    user_id uuid not null references staff_users (id),
    credential_id bytea not null,
    public_key bytea not null,
    sign_count bigint not null,
    name text not null,
    created_at timestamptz not null,
    used_at timestamptz
);
create unique index staff_passkeys_credential on staff_passkeys (credential_id);
create index staff_passkeys_by_user on staff_passkeys (user_id);

-- What a passkey is to sign, once: `user_id` where a passkey is added to an account, null where somebody signs in.
create table staff_challenges (
    id uuid primary key,
    user_id uuid references staff_users (id),
    challenge bytea not null,
    expires_at timestamptz not null
);
create index staff_challenges_ending on staff_challenges (expires_at);

-- Attempts to sign in that failed: `account` is a hash of the e-mail address, whether anybody has it or not, or of nothing
-- for those of a place whatever the account; `place` is a network, a browser that is known or a session.
create table staff_attempts (
    account bytea not null,
    place text not null,
    failures bigint not null,
    failed_at timestamptz not null,
    blocked_until timestamptz not null,
    primary key (account, place)
);
create index staff_attempts_ending on staff_attempts (failed_at);

-- Browsers in which somebody has signed in, by the hash of their cookie: their failures are counted apart.
create table staff_devices (
    hash bytea primary key,
    user_id uuid not null references staff_users (id),
    created_at timestamptz not null,
    seen_at timestamptz not null
);
create index staff_devices_by_user on staff_devices (user_id);
create index staff_devices_ending on staff_devices (seen_at);

-- Access to patient data for a reason and a while, by who has none: to one clinic's, or to all where it is null. These
-- rows stay as long as the audit log.
create table staff_break_glass (
    id uuid primary key,
    user_id uuid not null references staff_users (id),
    clinic_id uuid references clinics (id),
    reason text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz
);
create index staff_break_glass_by_user on staff_break_glass (user_id, expires_at);
