//! The arguments of `nimbus keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Which master keys open the store
    Status,
    /// The key over all keys
    #[command(subcommand)]
    Master(MasterKeyCommand),
    /// The keys that seal a clinic's patient data
    #[command(subcommand)]
    Clinic(ClinicKeyCommand),
    /// The keys that seal what is of no clinic: second factors of staff, what signs the audit log, notes on lots
    #[command(subcommand)]
    Platform(PlatformKeyCommand),
}

#[derive(Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Have another master key take the place of the one in use; until that is retired, both open the store
    Rotate(NewMasterKey),
    /// Let a master key go that another one has taken the place of
    Retire {
        /// As status shows it
        key_id: String,
    },
}

#[derive(Args)]
pub(crate) struct NewMasterKey {
    /// File with the new key, made if it is not there
    #[arg(long, conflicts_with = "new_vault_key")]
    pub(crate) new_key_file: Option<PathBuf>,
    /// Mount and name of the new key in a Vault, as transit/nimbus; the token is that of the settings
    #[arg(long)]
    pub(crate) new_vault_key: Option<String>,
    /// Address of that Vault, if it is not that of the settings
    #[arg(long, requires = "new_vault_key")]
    pub(crate) new_vault_url: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum ClinicKeyCommand {
    /// The data keys of a clinic
    List { clinic: String },
    /// Give a clinic a new data key, which seals from now on
    Rotate { clinic: String },
    /// Seal anew what older data keys have sealed
    Reseal {
        clinic: String,
        /// Only count it
        #[arg(long)]
        dry_run: bool,
    },
    /// Destroy the data keys but the newest, which nothing is sealed by any more
    Prune { clinic: String },
    /// Destroy all keys of a deleted clinic: its patient data cannot be read again, in backups either
    Destroy {
        clinic: String,
        /// The clinic's id once more
        #[arg(long)]
        confirm: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum PlatformKeyCommand {
    /// The data keys of the platform
    List,
    /// Make a new data key, which seals from now on
    Rotate,
    /// Seal anew what older data keys have sealed
    Reseal {
        /// Only count it
        #[arg(long)]
        dry_run: bool,
    },
    /// Destroy the data keys but the newest, which nothing is sealed by any more
    Prune,
}
