//! Operations tokens of staff and machines.

use nimbus_core::{
    access::Role,
    ids::{ClinicId, OpsTokenId},
    time::Ts,
};
use nimbus_store::{Tx, keys};
use uuid::Uuid;

use super::{OpsToken, audited, clinics::clinic_found};
use crate::{
    App,
    actor::Call,
    clock::wall,
    credentials,
    error::{Error, Result},
};

/// An operations token to issue.
#[derive(Debug, Clone)]
pub struct TokenOrder {
    pub name: String,
    pub roles: Vec<Role>,
    /// The clinic that it reaches, for the role that is of one clinic.
    pub clinic_id: Option<ClinicId>,
    pub expires_at: Option<Ts>,
    /// The text of the token, where it is derived rather than random (a sandbox's seed).
    pub(crate) text: Option<String>,
}

impl TokenOrder {
    pub fn new(name: &str, roles: Vec<Role>, expires_at: Option<Ts>) -> Self {
        Self { name: name.to_owned(), roles, clinic_id: None, expires_at, text: None }
    }

    /// The same for one clinic alone.
    pub fn of_clinic(self, clinic: ClinicId) -> Self {
        Self { clinic_id: Some(clinic), ..self }
    }

    /// Who administers one clinic does nothing else: a token with another role beside would reach further.
    async fn check(&self, tx: &mut Tx) -> Result<()> {
        match (self.roles.contains(&Role::ClinicAdmin), self.clinic_id) {
            (true, _) if self.roles.len() > 1 => {
                Err(Error::field("roles", "clinic_admin must be the only role of a token"))
            }
            (true, None) => Err(Error::field("clinic", "is required for the role clinic_admin")),
            (false, Some(_)) => Err(Error::field("clinic", "is for the role clinic_admin alone")),
            (true, Some(clinic)) => clinic_found(tx, clinic).await.map(drop),
            (false, None) => Ok(()),
        }
    }
}

/// Issues an operations token; its text is shown this once.
pub async fn token_issue(app: &App, call: &Call, order: TokenOrder) -> Result<(OpsToken, String)> {
    app.act(call, order, |tx, cx, order| {
        Box::pin(async move {
            order.check(tx).await?;
            let text = match &order.text {
                Some(text) => text.clone(),
                None => credentials::generate(credentials::OPS_PREFIX)?,
            };
            let token = OpsToken {
                id: OpsTokenId(Uuid::now_v7()),
                name: order.name.clone(),
                roles: order.roles.clone(),
                clinic_id: order.clinic_id,
                created_at: wall(),
                expires_at: order.expires_at,
                revoked_at: None,
            };
            keys::ops_token_insert(tx, &token, &credentials::hash(&text)).await?;
            audited(tx, cx, order.clinic_id, "token.issue", "token", token.id.0).await?;
            Ok((token, text))
        })
    })
    .await
}

pub async fn token_list(app: &App) -> Result<Vec<OpsToken>> {
    app.db().read(|tx| Box::pin(async move { Ok::<_, Error>(keys::ops_token_list(tx).await?) })).await
}

pub async fn token_revoke(app: &App, call: &Call, id: OpsTokenId) -> Result<()> {
    app.act(call, id, |tx, cx, &id| {
        Box::pin(async move {
            if !keys::ops_token_revoke(tx, id, cx.wall).await? {
                return Err(Error::NotFound("Token"));
            }
            audited(tx, cx, None, "token.revoke", "token", id.0).await
        })
    })
    .await?;
    app.tokens().clear();
    Ok(())
}
