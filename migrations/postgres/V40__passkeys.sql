-- What a passkey says of backups: whether it may ever be copied to other devices, which stays, and whether it has been.
-- `copied_at` is when its count of signatures last failed to grow: it has likely been copied by somebody.
alter table staff_passkeys add column backup_eligible boolean not null default false;
alter table staff_passkeys add column backed_up boolean not null default false;
alter table staff_passkeys add column copied_at timestamptz;

-- What a challenge is for: 'register', 'sign_in' or 'step_up'. It is found by itself.
alter table staff_challenges add column ceremony text not null default 'register';
create unique index staff_challenges_challenge on staff_challenges (challenge);
