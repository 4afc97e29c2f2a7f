//! `nimbus admin user`: the first account of staff, and the way back in.

use nimbus_app::{
    App,
    actor::Call,
    page::Page,
    staff::{
        User,
        invitations::Invited,
        users::{self, NewUser},
    },
};
use nimbus_core::{access::Role, contact::Email, time::Ts};
use serde_json::{Value, json};

use crate::{
    Failure,
    admin::{id, said},
    cli::UserCommand,
};

pub(crate) async fn user(app: &App, call: &Call, command: UserCommand) -> Result<Value, Failure> {
    match command {
        UserCommand::Invite { email, name, role, clinic } => {
            let email = Email::parse(email.trim()).map_err(|error| format!("email: {error}"))?;
            let email = email.as_str().to_owned();
            let roles: Option<Vec<Role>> = role.split(',').map(|role| Role::parse(role.trim())).collect();
            let roles = roles.ok_or("one of the roles is unknown")?;
            let own = email.split('@').next().unwrap_or_default().to_owned();
            let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or(own);
            if name.chars().count() > 100 {
                return Err("a name has at most 100 characters".into());
            }
            let clinic_id = clinic.as_deref().map(id).transpose()?;
            let new = NewUser { email, name, roles, clinic_id };
            Ok(invited_json(&users::invite_first(app, call, new).await.map_err(said)?))
        }
        UserCommand::List => {
            let (mut all, mut before) = (Vec::new(), None);
            loop {
                let page = Page { limit: Page::MAX, before, ..Page::default() };
                let found = users::page(app, call, page).await.map_err(said)?;
                all.extend(found.items.iter().map(user_json));
                before = found.last;
                if !found.has_more {
                    return Ok(Value::Array(all));
                }
            }
        }
        UserCommand::Reset { email } => {
            Ok(invited_json(&users::reset_by_email(app, call, email).await.map_err(said)?))
        }
    }
}

fn invited_json(invited: &Invited) -> Value {
    let mut shown = user_json(&invited.user);
    shown["invitation"] = json!({
        "token": invited.token, "link": invited.link, "expires_at": invited.expires_at.to_string(),
    });
    shown
}

fn user_json(user: &User) -> Value {
    let roles: Vec<&str> = user.roles.iter().map(|role| role.as_str()).collect();
    let at = |instant: Option<Ts>| instant.map(|instant| instant.to_string());
    json!({
        "id": user.id.to_string(), "email": user.email, "name": user.name, "roles": roles,
        "clinic_id": user.clinic_id.map(|id| id.to_string()), "state": user.state.as_str(),
        "created_at": user.created_at.to_string(), "signed_in_at": at(user.signed_in_at),
    })
}
