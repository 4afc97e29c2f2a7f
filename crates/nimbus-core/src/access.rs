//! Who acts: environments, scopes of a partner's key, roles of staff, and the name of an actor in a history.

use crate::{
    ids::{KeyId, OpsTokenId, UserId},
    words,
};

words! {
    /// Where a deployment stands: practice with invented patients, or care of real ones.
    pub enum Environment {
        Sandbox = "sandbox",
        Production = "production",
    }
}

impl Environment {
    /// What every key of this environment begins with.
    pub const fn key_prefix(self) -> &'static str {
        match self {
            Self::Sandbox => "dev_",
            Self::Production => "prod_",
        }
    }
}

words! {
    /// What a partner's key may do.
    pub enum Scope {
        OrdersRead = "orders:read",
        OrdersWrite = "orders:write",
        RefillsRead = "refills:read",
        RefillsWrite = "refills:write",
        WebhooksRead = "webhooks:read",
        WebhooksWrite = "webhooks:write",
        ShipmentsRead = "shipments:read",
        PractitionersRead = "practitioners:read",
        PractitionersWrite = "practitioners:write",
        PatientsRead = "patients:read",
        PatientsWrite = "patients:write",
    }
}

words! {
    /// The two ready-made sets of scopes.
    pub enum Profile {
        /// Pharmacy operations only: webhooks, refills, shipments, order and medication status.
        PharmacyPartner = "pharmacy_partner",
        /// That, plus practitioners, patients and medication orders.
        Integration = "integration",
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u32);

impl Scopes {
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, &scope| bits | 1 << scope as u32))
    }

    pub fn profile(profile: Profile) -> Self {
        use Scope::{
            OrdersRead, OrdersWrite, PatientsRead, PatientsWrite, PractitionersRead, PractitionersWrite,
            RefillsRead, RefillsWrite, ShipmentsRead, WebhooksRead, WebhooksWrite,
        };
        let base = [WebhooksRead, WebhooksWrite, RefillsRead, RefillsWrite, ShipmentsRead, OrdersRead];
        match profile {
            Profile::PharmacyPartner => Self::of(&base),
            Profile::Integration => Self(
                Self::of(&base).0
                    | Self::of(&[
                        OrdersWrite,
                        PatientsRead,
                        PatientsWrite,
                        PractitionersRead,
                        PractitionersWrite,
                    ])
                    .0,
            ),
        }
    }

    /// Every scope: what needs no key is not filtered by one.
    pub fn all() -> Self {
        Self::of(Scope::ALL)
    }

    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u32) != 0
    }

    /// Whether all of these are among them.
    pub const fn includes(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |&scope| self.has(scope))
    }

    /// The scopes by name, separated by a space.
    pub fn to_text(self) -> String {
        self.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Reads [`Scopes::to_text`]; `None` if one of the names is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let scopes = text.split_whitespace().map(Scope::parse).collect::<Option<Vec<_>>>()?;
        Some(Self::of(&scopes))
    }
}

words! {
    /// What a member of staff is employed as.
    pub enum Role {
        SuperAdmin = "super_admin",
        Pharmacist = "pharmacist",
        Technician = "technician",
        Support = "support",
        Auditor = "auditor",
        ClinicAdmin = "clinic_admin",
    }
}

/// Who did it, as a history or the audit log names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A partner, through one of its keys.
    Key(KeyId),
    /// Staff, or a machine of theirs, through an operations token.
    Staff(OpsTokenId),
    /// A member of staff, through a session of their account.
    User(UserId),
    /// The platform itself: a job, an inbound feed, a command on the server. The word says which.
    System(SystemActor),
}

words! {
    /// The parts of the platform that act by themselves.
    pub enum SystemActor {
        Jobs = "jobs",
        PharmacySystem = "pharmacy_system",
        Onboarding = "onboarding",
        Carrier = "carrier",
        Dispatcher = "dispatcher",
        CommandLine = "command_line",
        /// The simulated pharmacy and carrier of a sandbox.
        Sandbox = "sandbox",
        /// What goes on by itself when a gate's hold is released.
        Gates = "gates",
        /// Whoever opens a signed link.
        SignedLink = "signed_link",
        /// Whoever signs in, or accepts an invitation, before it is known who that is.
        SignIn = "sign_in",
    }
}

impl By {
    /// The kind of actor, as it is stored: `key`, `staff`, `user` or `system`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Staff(_) => "staff",
            Self::User(_) => "user",
            Self::System(_) => "system",
        }
    }

    /// The actor's id or word, as it is stored.
    pub fn name(self) -> String {
        match self {
            Self::Key(id) => id.to_string(),
            Self::Staff(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::System(actor) => actor.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pharmacy_partner_manages_no_people() {
        let scopes = Scopes::profile(Profile::PharmacyPartner);
        assert!(
            scopes.has(Scope::WebhooksWrite)
                && scopes.has(Scope::RefillsWrite)
                && scopes.has(Scope::OrdersRead)
        );
        assert!(!scopes.has(Scope::OrdersWrite) && !scopes.has(Scope::PatientsRead));
        assert!(!scopes.has(Scope::PractitionersRead));
    }

    #[test]
    fn scopes_read_back() {
        let all = Scopes::profile(Profile::Integration);
        assert_eq!(Scopes::parse(&all.to_text()), Some(all));
        assert_eq!(Scopes::parse("orders:read nonsense"), None);
    }

    #[test]
    fn a_set_includes_its_parts() {
        let (partner, all) = (Scopes::profile(Profile::PharmacyPartner), Scopes::all());
        assert!(all.includes(partner) && partner.includes(partner) && partner.includes(Scopes::default()));
        assert!(!partner.includes(all) && !Scopes::default().includes(partner));
    }
}
