//! Accounts of staff: what a password must be, which roles go together, how long sessions last, and how long somebody who
//! guesses has to wait.

use crate::{access::Role, time::Ts, words};

words! {
    /// How far an account is.
    pub enum UserState {
        /// Its invitation was not accepted yet, or it was reset.
        Invited = "invited",
        Active = "active",
        Suspended = "suspended",
    }
}

words! {
    /// What somebody proved to be themselves with.
    pub enum Method {
        Password = "password",
        Totp = "totp",
        RecoveryCode = "recovery_code",
        Passkey = "passkey",
    }
}

words! {
    /// How far a sign-in is.
    pub enum Stage {
        /// The password was right, and a second factor is asked for.
        SecondFactor = "second_factor",
        Full = "full",
    }
}

words! {
    /// What a passkey signs a challenge for. One is good for nothing else.
    pub enum Ceremony {
        /// A passkey is added to an account.
        Register = "register",
        SignIn = "sign_in",
        /// Who has a session proves anew who they are.
        StepUp = "step_up",
    }
}

/// An invitation is good for so long.
pub const INVITATION_HOURS: i64 = 72;
/// A session that nobody uses ends after so many minutes, unless settings say otherwise.
pub const IDLE_MINUTES: u32 = 15;
/// The longest that may be set, in minutes.
pub const LONGEST_IDLE_MINUTES: u32 = 60;
/// A session ends after so long, used or not.
pub const SESSION_HOURS: i64 = 12;
/// Between the password and the second factor.
pub const SECOND_FACTOR_MINUTES: i64 = 5;
/// A passkey has so long to sign a challenge (W3C Web Authentication Level 3, 15.1).
pub const CHALLENGE_MINUTES: i64 = 5;
/// Passkeys that an account may have.
pub const PASSKEYS_MAX: usize = 10;
/// What is dangerous is allowed for so long after a factor was given.
pub const CONFIRMED_MINUTES: i64 = 10;
/// A browser is known for so long after the last sign-in.
pub const DEVICE_DAYS: i64 = 180;

/// The shortest password (NIST SP 800-63B asks for 8, and for 15 where it stands alone).
pub const SHORTEST_PASSWORD: usize = 12;
/// The longest one; hashing more is work for whoever sends it.
pub const LONGEST_PASSWORD: usize = 128;
/// Names and parts of addresses this short are in many a good password.
const SHORTEST_OWN_WORD: usize = 4;
/// A password that is so few characters over and over is no longer than that.
const LONGEST_REPEATED: usize = 4;

/// The passwords of at least twelve characters that lists of stolen ones begin with, in lower case.
const COMMON: &str = include_str!("staff/common_passwords.txt");

/// Why a password is not taken, if it is not. The sentence never repeats it.
pub fn password_fault(password: &str, email: &str, name: &str) -> Option<String> {
    let count = password.chars().count();
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&count) {
        return Some(format!("must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"));
    }
    let plain = password.to_lowercase();
    if COMMON.lines().any(|common| common == plain) || is_repeated(&plain) || is_sequence(&plain) {
        return Some("is one of those that are tried first".to_owned());
    }
    let parts = |text: &str| -> Vec<String> {
        let words = text.to_lowercase();
        words.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
    };
    // The domain is many people's; what stands before it is one's own.
    let own = email.split('@').next().unwrap_or_default();
    let mut words = parts(own).into_iter().chain(parts(name));
    let has_own = words.any(|word| word.chars().count() >= SHORTEST_OWN_WORD && plain.contains(&word));
    has_own.then(|| "must not have your name or e-mail address in it".to_owned())
}

/// Whether a text is a few characters over and over.
fn is_repeated(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    (1..=LONGEST_REPEATED)
        .any(|unit| letters.iter().skip(unit).zip(&letters).all(|(one, other)| one == other))
}

/// Whether each character follows the one before, upwards or downwards; 9 and 0 are neighbours.
fn is_sequence(text: &str) -> bool {
    let letters: Vec<u32> = text.chars().map(u32::from).collect();
    let follows =
        |one: u32, other: u32| one + 1 == other || (one == u32::from('9') && other == u32::from('0'));
    letters.windows(2).all(|pair| follows(pair[0], pair[1]))
        || letters.windows(2).all(|pair| follows(pair[1], pair[0]))
}

/// Why an account cannot have these roles, if it cannot: the field and a sentence.
pub fn roles_fault(roles: &[Role], has_clinic: bool) -> Option<(&'static str, &'static str)> {
    let is_twice = |(at, role): (usize, &Role)| roles[..at].contains(role);
    match roles.contains(&Role::ClinicAdmin) {
        _ if roles.is_empty() => Some(("roles", "must have at least one")),
        _ if roles.iter().enumerate().any(is_twice) => Some(("roles", "must not name a role twice")),
        true if roles.len() > 1 => Some(("roles", "clinic_admin must be the only role")),
        true if !has_clinic => Some(("clinic_id", "is required for the role clinic_admin")),
        false if has_clinic => Some(("clinic_id", "is for the role clinic_admin alone")),
        _ => None,
    }
}

/// Until when a session lasts that was last seen at an instant: idle for so many minutes, or as long as it lasts at all.
pub fn session_ends(seen_at: Ts, idle_minutes: u32, expires_at: Ts) -> Ts {
    seen_at.plus_seconds(i64::from(idle_minutes) * 60).min(expires_at)
}

/// How old what is on record of a session's last use may become before it is written again, in seconds: a minute, or a
/// quarter of the time after which an idle one ends.
pub fn touch_seconds(idle_minutes: u32) -> i64 {
    (i64::from(idle_minutes) * 15).min(60)
}

/// So many failures cost no wait.
pub const FREE_FAILURES: i64 = 4;
/// The same for all accounts together from one place: many people may share it.
pub const FREE_FAILURES_OF_PLACE: i64 = 19;
const FIRST_WAIT_SECONDS: i64 = 30;
const LONGEST_WAIT_SECONDS: i64 = 15 * 60;
/// Failures this old are forgotten.
pub const FAILURES_HOURS: i64 = 24;

/// Whether a passkey's count of signatures is one that its authenticator can have come to: it grows with each, or the
/// authenticator counts none (W3C Web Authentication Level 3, 7.2, step 22). If it is not, there is likely a copy.
pub const fn count_grows(stored: u32, sent: u32) -> bool {
    sent > stored || (sent == 0 && stored == 0)
}

/// How long nobody may try again after so many failures, in seconds: nothing at first, then 30 doubling to 900.
pub const fn wait_seconds(failures: i64, free: i64) -> i64 {
    let beyond = failures - free;
    if beyond <= 0 {
        return 0;
    }
    // The fifth doubling is over the longest wait.
    let doublings = if beyond > 6 { 5 } else { beyond - 1 };
    let wait = FIRST_WAIT_SECONDS << doublings;
    if wait > LONGEST_WAIT_SECONDS { LONGEST_WAIT_SECONDS } else { wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(password: &str) -> Option<String> {
        password_fault(password, "jane.okafor@example.com", "Jane Okafor")
    }

    #[test]
    fn passwords_are_long_and_not_the_first_to_be_tried() {
        for good in
            ["correct horse battery", "Tr0ub4dor&3 and more", "äöü äöü with words", "pharmacy at dawn 7"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
        for short in ["", "elevenchars", &"x7 ".repeat(43)] {
            assert!(fault(short).unwrap().contains("characters"), "{short}");
        }
        for common in [
            "password1234",
            "Password1234",
            "qwertyuiop123",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "123456789012",
            "abcdefghijklm",
            "987654321098",
        ] {
            assert!(fault(common).unwrap().contains("tried first"), "{common}");
        }
        for own in ["my name is Okafor", "jane jane and more", "OKAFOR-the-great"] {
            assert!(fault(own).unwrap().contains("your name"), "{own}");
        }
        assert_eq!(
            password_fault("a joyful morning", "jo@example.com", "Jo Li"),
            None,
            "short names are in words"
        );
    }

    #[test]
    fn the_list_is_of_what_length_alone_would_let_pass() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 100, "{}", lines.len());
        for line in lines {
            assert!(line.chars().count() >= SHORTEST_PASSWORD && line == line.to_lowercase(), "{line}");
        }
    }

    #[test]
    fn who_administers_a_clinic_does_nothing_else() {
        use Role::{Auditor, ClinicAdmin, Support};
        let field = |roles: &[Role], has_clinic| roles_fault(roles, has_clinic).map(|(field, _)| field);
        assert_eq!(field(&[Support, Auditor], false), None);
        assert_eq!(field(&[ClinicAdmin], true), None);
        assert_eq!(field(&[], false), Some("roles"));
        assert_eq!(field(&[Support, Support], false), Some("roles"));
        assert_eq!(field(&[ClinicAdmin, Support], true), Some("roles"));
        assert_eq!(field(&[ClinicAdmin], false), Some("clinic_id"));
        assert_eq!(field(&[Support], true), Some("clinic_id"));
    }

    #[test]
    fn sessions_end_idle_or_old() {
        let start = Ts::parse("2026-01-15T10:00:00Z").unwrap();
        let (minute, hour) = (start.plus_seconds(60), start.plus_seconds(3600));
        assert_eq!(session_ends(start, 15, hour), start.plus_seconds(900));
        assert_eq!(session_ends(minute, 60, hour), hour);
        assert_eq!([1, 2, 4, 15, 60].map(touch_seconds), [15, 30, 60, 60, 60]);
    }

    #[test]
    fn a_count_of_signatures_grows_or_is_not_kept() {
        assert!(count_grows(0, 0) && count_grows(0, 1) && count_grows(7, 8) && count_grows(7, u32::MAX));
        assert!(!count_grows(7, 7) && !count_grows(7, 6) && !count_grows(7, 0));
    }

    #[test]
    fn waits_double_and_stay_bounded() {
        let waits: Vec<i64> = (0..13).map(|failures| wait_seconds(failures, FREE_FAILURES)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(wait_seconds(i64::MAX, FREE_FAILURES), LONGEST_WAIT_SECONDS);
        assert_eq!(wait_seconds(FREE_FAILURES_OF_PLACE, FREE_FAILURES_OF_PLACE), 0);
    }
}
