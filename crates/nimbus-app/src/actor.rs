//! Who calls and what they may do: a partner through a key with scopes, or staff through a token or a session with roles.

use nimbus_core::{
    access::{By, Role, Scope, Scopes, SystemActor},
    ids::{ClinicId, KeyId, OpsTokenId, PartnerId, SessionId, UserId},
    rate::KeyRates,
    staff::CONFIRMED_MINUTES,
    time::Ts,
};
use nimbus_store::staff::BreakGlass;
use uuid::Uuid;

use crate::{
    clock::wall,
    error::{Error, Result},
};

/// A partner, through one of its keys.
#[derive(Debug, Clone)]
pub struct PartnerActor {
    pub key_id: KeyId,
    pub clinic_id: ClinicId,
    pub clinic_name: String,
    pub partner_id: PartnerId,
    pub scopes: Scopes,
    /// What an admin has given its key.
    pub rates: KeyRates,
    /// When its key ends by itself; wall time.
    pub key_expires_at: Option<Ts>,
    /// How far its clinic's business time is ahead of the deployment's, in microseconds.
    pub clock_ahead_us: i64,
}

/// A member of staff, through a session of their account, or a machine of the pharmacy, through an operations token.
#[derive(Debug, Clone)]
pub struct StaffActor {
    pub credential: StaffCredential,
    pub roles: Vec<Role>,
    /// The one clinic that it reaches, if it is bound to one.
    pub clinic_id: Option<ClinicId>,
    /// What it reads although its roles do not: see [`crate::staff::glass`].
    pub glass: Option<BreakGlass>,
}

/// What staff call with.
#[derive(Debug, Clone)]
pub enum StaffCredential {
    Token(OpsTokenId),
    Session(SessionOf),
}

/// A session that is in force, and whose it is.
#[derive(Debug, Clone)]
pub struct SessionOf {
    pub user_id: UserId,
    pub session_id: SessionId,
    /// When a factor was given last; wall time.
    pub confirmed_at: Ts,
    /// Whether its account must have a second factor, and has none.
    pub must_enrol: bool,
    /// Of its cookie, which another takes the place of at times.
    pub(crate) hash: [u8; 32],
}

#[derive(Debug, Clone)]
pub enum Actor {
    Partner(PartnerActor),
    Staff(StaffActor),
    System(SystemActor),
}

impl Actor {
    pub const fn by(&self) -> By {
        match self {
            Self::Partner(partner) => By::Key(partner.key_id),
            Self::Staff(StaffActor { credential: StaffCredential::Token(token), .. }) => By::Staff(*token),
            Self::Staff(StaffActor { credential: StaffCredential::Session(session), .. }) => {
                By::User(session.user_id)
            }
            Self::System(actor) => By::System(*actor),
        }
    }

    /// How far business time is ahead of the deployment's for this caller, in microseconds. Staff and machines serve
    /// every clinic: they go by the clock of the clinic whose matter it is.
    pub const fn clock_ahead_us(&self) -> i64 {
        match self {
            Self::Partner(partner) => partner.clock_ahead_us,
            Self::Staff(_) | Self::System(_) => 0,
        }
    }

    /// Whose idempotency keys and whose counted requests these are.
    pub(crate) fn owner(&self) -> Uuid {
        match self {
            Self::Partner(partner) => partner.key_id.0,
            Self::Staff(StaffActor { credential: StaffCredential::Token(token), .. }) => token.0,
            Self::Staff(StaffActor { credential: StaffCredential::Session(session), .. }) => {
                session.user_id.0
            }
            // No key or token has such a small id.
            Self::System(actor) => Uuid::from_u128(1 + *actor as u128),
        }
    }
}

/// An `Idempotency-Key` with the fingerprint (SHA-256 of method, path and body bytes) of its request.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub key: String,
    pub fingerprint: [u8; 32],
}

/// What a PATCH said in `If-Match`: which versions of the resource it is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whichever there is.
    Any,
    Versions(Vec<i64>),
}

/// One authorised call: the actor, and what the audit log keeps of the request.
#[derive(Debug, Clone)]
pub struct Call {
    pub actor: Actor,
    pub request_id: String,
    /// The caller's network address.
    pub address: Option<String>,
    pub idempotency: Option<Idempotency>,
    pub if_match: Option<IfMatch>,
}

impl Call {
    /// A call of the platform itself.
    pub fn system(actor: SystemActor) -> Self {
        Self {
            actor: Actor::System(actor),
            request_id: String::new(),
            address: None,
            idempotency: None,
            if_match: None,
        }
    }

    /// The partner, if its key has the scope.
    pub fn partner(&self, scope: Scope) -> Result<&PartnerActor> {
        match &self.actor {
            Actor::Partner(partner) if partner.scopes.has(scope) => Ok(partner),
            _ => Err(Error::Forbidden),
        }
    }

    /// The partner, whatever its key may do.
    pub fn any_partner(&self) -> Result<&PartnerActor> {
        match &self.actor {
            Actor::Partner(partner) => Ok(partner),
            _ => Err(Error::Forbidden),
        }
    }

    /// The session that the call is made through. An operations token has no account.
    pub fn session(&self) -> Result<&SessionOf> {
        match &self.actor {
            Actor::Staff(StaffActor { credential: StaffCredential::Session(session), .. }) => Ok(session),
            _ => Err(Error::Forbidden),
        }
    }

    /// For a read that asks for one of the roles: who has broken the glass has a pharmacist's, where their own do not do.
    /// What comes of it is on record with the reason, and of no other clinic than they have asked for.
    pub fn through_glass(mut self, roles: &[Role]) -> Self {
        if let Actor::Staff(staff) = &mut self.actor {
            let suffices = staff.roles.iter().any(|role| roles.contains(role));
            match &staff.glass {
                Some(_) if !suffices && roles.contains(&Role::Pharmacist) => {
                    staff.roles.push(Role::Pharmacist)
                }
                _ => staff.glass = None,
            }
        }
        self
    }

    /// The call by its own roles alone.
    pub fn without_glass(mut self) -> Self {
        if let Actor::Staff(staff) = &mut self.actor {
            staff.glass = None;
        }
        self
    }

    /// The access by which the call reads what its own roles do not.
    pub(crate) fn glass(&self) -> Option<&BreakGlass> {
        match &self.actor {
            Actor::Staff(staff) => staff.glass.as_ref(),
            Actor::Partner(_) | Actor::System(_) => None,
        }
    }

    /// For what is dangerous: through a session, a factor must have been given of late. Machines have none.
    pub fn confirmed(&self) -> Result<()> {
        match self.session() {
            Ok(own) if own.confirmed_at.plus_seconds(CONFIRMED_MINUTES * 60) <= wall() => {
                Err(Error::StepUpRequired)
            }
            _ => Ok(()),
        }
    }

    /// Passes staff with one of the roles, and the platform itself. Who is bound to one clinic has no business with what
    /// is of all.
    pub fn staff(&self, roles: &[Role]) -> Result<()> {
        match self.reach(roles)? {
            Some(_) => Err(Error::Forbidden),
            None => Ok(()),
        }
    }

    /// The same for a matter of one clinic. To who is bound to another it is as if there were none.
    pub fn staff_of(&self, roles: &[Role], clinic: ClinicId) -> Result<()> {
        match self.reach(roles)? {
            Some(bound) if bound != clinic => Err(Error::NotFound("Clinic")),
            _ => Ok(()),
        }
    }

    /// The one clinic that staff with one of the roles reach; `None` for all.
    pub fn reach(&self, roles: &[Role]) -> Result<Option<ClinicId>> {
        if self.session().is_ok_and(|own| own.must_enrol) {
            return Err(Error::SecondFactorRequired);
        }
        match &self.actor {
            Actor::Staff(staff) if staff.roles.iter().any(|role| roles.contains(role)) => Ok(staff.clinic_id),
            Actor::System(_) => Ok(None),
            _ => Err(Error::Forbidden),
        }
    }

    /// Whose idempotency keys these are, and which clinic's key seals the stored reply.
    pub(crate) fn idempotency_owner(&self) -> (Uuid, ClinicId) {
        let clinic = match &self.actor {
            Actor::Partner(partner) => partner.clinic_id,
            Actor::Staff(_) | Actor::System(_) => ClinicId(Uuid::nil()),
        };
        (self.actor.owner(), clinic)
    }
}

/// The roles of staff who work orders: a pharmacist may everything that a technician may.
pub const WORKERS: &[Role] = &[Role::Pharmacist, Role::Technician];
/// The roles that decide clinically.
pub const PHARMACISTS: &[Role] = &[Role::Pharmacist];
/// The roles that may read the queue and what is in it.
pub const READERS: &[Role] = &[Role::Pharmacist, Role::Technician];
/// The role that manages partners, clinics and keys.
pub const ADMINISTRATORS: &[Role] = &[Role::SuperAdmin];
/// The roles that manage practitioners.
pub const MANAGERS: &[Role] = &[Role::SuperAdmin, Role::Pharmacist];
/// The roles that see to webhooks: how they do, what was sent to them, and sending it again.
pub const SENDERS: &[Role] = &[Role::SuperAdmin, Role::Pharmacist, Role::Support];
/// The same for the webhooks of one clinic.
pub const CLINIC_SENDERS: &[Role] = &[Role::SuperAdmin, Role::Pharmacist, Role::Support, Role::ClinicAdmin];
/// The roles that see partners, their agreements and clinics.
pub const OVERSEERS: &[Role] = &[Role::SuperAdmin, Role::Support];
/// The roles that see the keys of a clinic.
pub const KEY_READERS: &[Role] = &[Role::SuperAdmin, Role::Support, Role::ClinicAdmin];
/// The roles that issue the keys of a clinic, rotate and revoke them.
pub const KEY_MANAGERS: &[Role] = &[Role::SuperAdmin, Role::ClinicAdmin];
/// The roles that may break the glass: they have no access to patient data otherwise.
pub const BREAKERS: &[Role] = &[Role::SuperAdmin, Role::Support, Role::Auditor];
/// The roles that see who has broken the glass, and why.
pub const GLASS_READERS: &[Role] = &[Role::SuperAdmin, Role::Auditor];
/// The roles that manage the accounts of staff.
pub const USER_MANAGERS: &[Role] = &[Role::SuperAdmin, Role::ClinicAdmin];
/// The roles that read the audit log.
pub const AUDITORS: &[Role] = &[Role::SuperAdmin, Role::Auditor];
