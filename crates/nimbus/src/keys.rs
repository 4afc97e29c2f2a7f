//! `nimbus keys`: the master key, and the data keys of clinics and of the platform. Progress goes to the standard error, the outcome to the
//! standard output as JSON.

use std::{fmt, path::Path, sync::Arc};

use nimbus_app::{
    App,
    actor::Call,
    sealing::{self, Column, Custodian, Owner, Retired, Root},
};
use nimbus_core::{access::SystemActor, ids::ClinicId};
use nimbus_store::MasterKey;
use serde_json::{Value, json};

use crate::{
    Failure, boot,
    cli::{ClinicKeyCommand, KeysCommand, MasterKeyCommand, NewMasterKey, PlatformKeyCommand},
    config::Settings,
};

pub(crate) async fn keys(settings: &Settings, command: KeysCommand) -> Result<(), Failure> {
    let db = boot::open_store(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let call = Call::system(SystemActor::CommandLine);
    let outcome = match command {
        KeysCommand::Status => status(&app, settings).await,
        KeysCommand::Master(MasterKeyCommand::Rotate(new)) => rotate(&app, &call, settings, &new).await,
        KeysCommand::Master(MasterKeyCommand::Retire { key_id }) => retire(&app, &call, &key_id).await,
        KeysCommand::Clinic(command) => clinic(&app, &call, command).await,
        KeysCommand::Platform(command) => platform(&app, &call, command).await,
    };
    db.close().await;
    println!("{:#}", outcome?);
    Ok(())
}

fn shown(root: &Root) -> Value {
    json!({
        "root": root.version,
        "created_at": root.created_at.to_string(),
        "master_keys": root.key_ids,
        "wraps": root.wraps,
    })
}

async fn status(app: &App, settings: &Settings) -> Result<Value, Failure> {
    let roots = sealing::root_list(app).await?;
    let roots: Vec<Value> = roots.iter().map(shown).collect();
    Ok(json!({ "master_key": settings.custodian()?.key_id(), "roots": roots }))
}

/// The key that is to come: of a file, which is made if it is not there, or of a Vault.
fn successor(settings: &Settings, new: &NewMasterKey) -> Result<Arc<dyn Custodian>, Failure> {
    match (&new.new_key_file, &new.new_vault_key) {
        (Some(path), _) => Ok(of_file(path)?.into()),
        (None, Some(key)) => settings.vault(new.new_vault_url.as_deref(), Some(key)),
        (None, None) => Err("name the new key: --new-key-file or --new-vault-key".into()),
    }
}

fn of_file(path: &Path) -> Result<MasterKey, Failure> {
    Ok(MasterKey::load_or_create(path)?)
}

async fn rotate(app: &App, call: &Call, settings: &Settings, new: &NewMasterKey) -> Result<Value, Failure> {
    let (old, successor) = (settings.custodian()?, successor(settings, new)?);
    if old.key_id() == successor.key_id() {
        return Err("the new master key is the one in use".into());
    }
    let version = sealing::master_rotate(app, call, successor.as_ref(), |left| {
        eprintln!("{left} keys are left");
    })
    .await?;
    Ok(json!({
        "root": version,
        "master_key": successor.key_id(),
        "next": format!(
            "start every process with the new master key, then: nimbus keys master retire {}", old.key_id()
        ),
    }))
}

async fn retire(app: &App, call: &Call, key_id: &str) -> Result<Value, Failure> {
    match sealing::master_retire(app, call, key_id).await? {
        Retired::Done => Ok(json!({ "retired": key_id })),
        Retired::Unknown => {
            Err("no root is wrapped by a master key of that id: see nimbus keys status".into())
        }
        Retired::InUse => Err("that is the master key in use: start with the new one first".into()),
        Retired::Unfinished => {
            Err("older roots still wrap keys: run nimbus keys master rotate to its end first".into())
        }
    }
}

fn id(text: &str) -> Result<ClinicId, Failure> {
    text.parse().map_err(|_| "that is not the id of a clinic".into())
}

/// What the application refuses, in words for the command line.
fn said(owner: Owner, error: nimbus_app::Error) -> Failure {
    match error {
        nimbus_app::Error::Invalid(fields) => {
            let fields: Vec<String> = fields.iter().map(|it| it.message.to_string()).collect();
            let owner = match owner {
                Owner::Clinic(_) => "clinic",
                Owner::Platform => "platform",
            };
            format!("the {owner} {}", fields.join("; ")).into()
        }
        other => other.into(),
    }
}

/// What is done to data keys, whoever's they are.
enum DataKeys {
    List,
    Rotate,
    Reseal { dry_run: bool },
    Prune,
}

async fn clinic(app: &App, call: &Call, command: ClinicKeyCommand) -> Result<Value, Failure> {
    let (clinic, act) = match command {
        ClinicKeyCommand::List { clinic } => (clinic, DataKeys::List),
        ClinicKeyCommand::Rotate { clinic } => (clinic, DataKeys::Rotate),
        ClinicKeyCommand::Reseal { clinic, dry_run } => (clinic, DataKeys::Reseal { dry_run }),
        ClinicKeyCommand::Prune { clinic } => (clinic, DataKeys::Prune),
        ClinicKeyCommand::Destroy { clinic, confirm } => return destroy(app, call, &clinic, &confirm).await,
    };
    let owner = Owner::Clinic(id(&clinic)?);
    let mut told = data_keys(app, call, owner, act).await.map_err(|error| said(owner, error))?;
    told["clinic_id"] = json!(clinic);
    Ok(told)
}

async fn platform(app: &App, call: &Call, command: PlatformKeyCommand) -> Result<Value, Failure> {
    let act = match command {
        PlatformKeyCommand::List => DataKeys::List,
        PlatformKeyCommand::Rotate => DataKeys::Rotate,
        PlatformKeyCommand::Reseal { dry_run } => DataKeys::Reseal { dry_run },
        PlatformKeyCommand::Prune => DataKeys::Prune,
    };
    data_keys(app, call, Owner::Platform, act).await.map_err(|error| said(Owner::Platform, error))
}

async fn data_keys(app: &App, call: &Call, owner: Owner, act: DataKeys) -> nimbus_app::Result<Value> {
    match act {
        DataKeys::List => {
            let keys = sealing::data_keys(app, owner).await?;
            let keys =
                keys.iter().map(|(version, at)| json!({"version": version, "created_at": at.to_string()}));
            Ok(json!({ "data_keys": keys.collect::<Vec<_>>() }))
        }
        DataKeys::Rotate => Ok(json!({ "version": sealing::data_key_rotate(app, call, owner).await? })),
        DataKeys::Reseal { dry_run } => {
            let told = |column: Column| eprintln!("{}", Progress(column));
            let columns = sealing::reseal(app, call, owner, dry_run, told).await?;
            let sum = |of: fn(&Column) -> u64| columns.iter().map(of).sum::<u64>();
            let (outdated, unreadable) = (sum(|it| it.outdated), sum(|it| it.unreadable));
            let resealed = if dry_run { 0 } else { outdated - unreadable };
            Ok(json!({ "outdated": outdated, "resealed": resealed, "unreadable": unreadable }))
        }
        DataKeys::Prune => Ok(json!({ "destroyed": sealing::data_keys_prune(app, call, owner).await? })),
    }
}

async fn destroy(app: &App, call: &Call, clinic: &str, confirm: &str) -> Result<Value, Failure> {
    if confirm != clinic {
        return Err("to destroy a clinic's keys, name its id again with --confirm".into());
    }
    let id = id(clinic)?;
    sealing::clinic_destroy(app, call, id).await.map_err(|error| said(Owner::Clinic(id), error))?;
    Ok(json!({ "clinic_id": clinic, "destroyed": true }))
}

struct Progress(Column);

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Column { table, column, outdated, unreadable } = self.0;
        write!(f, "{table}.{column}: {outdated} sealed by older keys")?;
        match unreadable {
            0 => Ok(()),
            count => write!(f, ", {count} of them do not open"),
        }
    }
}
