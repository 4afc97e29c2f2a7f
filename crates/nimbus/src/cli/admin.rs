//! The arguments of `nimbus admin`.

use clap::Subcommand;
use nimbus_core::network::Network;

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Companies that integrate
    #[command(subcommand)]
    Partner(PartnerCommand),
    /// Business associate agreements on record
    #[command(subcommand)]
    Baa(BaaCommand),
    /// Clinics of partners
    #[command(subcommand)]
    Clinic(ClinicCommand),
    /// API keys of clinics
    #[command(subcommand)]
    Key(KeyCommand),
    /// Operations tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Accounts of staff
    #[command(subcommand)]
    User(UserCommand),
    /// The pharmacy's licenses in the states
    #[command(subcommand)]
    License(LicenseCommand),
}

#[derive(Subcommand)]
pub(crate) enum LicenseCommand {
    /// Record a license
    Add {
        /// Two letters
        #[arg(long)]
        state: String,
        /// retail, compounding, controlled or veterinary
        #[arg(long)]
        category: String,
        #[arg(long)]
        number: String,
        /// Last day on which it holds, YYYY-MM-DD
        #[arg(long)]
        expires: String,
    },
    List {
        /// Only those of this state
        #[arg(long)]
        state: Option<String>,
    },
    Remove {
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum PartnerCommand {
    Create { name: String },
    List,
    Approve { id: String },
    Suspend { id: String },
}

#[derive(Subcommand)]
pub(crate) enum BaaCommand {
    /// Put a signed agreement on record
    Record {
        #[arg(long)]
        partner: String,
        /// First day in force, YYYY-MM-DD
        #[arg(long)]
        effective: String,
        /// Last day in force, YYYY-MM-DD
        #[arg(long)]
        ends: Option<String>,
        /// SHA-256 of the signed document, in hexadecimal
        #[arg(long)]
        document_hash: String,
    },
    /// End an agreement: the day is its last in force
    End {
        id: String,
        #[arg(long)]
        on: String,
    },
    List {
        #[arg(long)]
        partner: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ClinicCommand {
    Create {
        #[arg(long)]
        partner: String,
        name: String,
    },
    List {
        #[arg(long)]
        partner: Option<String>,
    },
    Rename {
        id: String,
        name: String,
    },
    /// Delete a clinic: its keys stop, and its webhooks are deleted with what waits for them; records stay
    Delete {
        id: String,
    },
    /// Set when a refill is too soon, in hundredths of a fill's days; what is left out is the deployment's
    RefillThresholds {
        id: String,
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
        percent: Option<u32>,
        /// For controlled drugs
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
        controlled_percent: Option<u32>,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Issue a key; its text is shown this once
    Issue {
        #[arg(long)]
        clinic: String,
        #[arg(long, default_value = "default")]
        name: String,
        /// pharmacy_partner or integration
        #[arg(long, default_value = "pharmacy_partner")]
        profile: String,
        /// Scopes instead of a profile, separated by commas
        #[arg(long)]
        scopes: Option<String>,
        /// When it stops working, RFC 3339
        #[arg(long)]
        expires: Option<String>,
        /// Where it works from: addresses and networks such as 203.0.113.0/24, separated by commas
        #[arg(long, value_delimiter = ',')]
        networks: Vec<Network>,
    },
    List {
        #[arg(long)]
        clinic: String,
    },
    Revoke {
        id: String,
    },
    /// Change where a key works from: addresses and networks such as 203.0.113.0/24; none is from anywhere
    Networks {
        id: String,
        networks: Vec<Network>,
    },
    /// Issue a key in place of another, which works on for a while; its text is shown this once
    Rotate {
        id: String,
        /// Hours that both work, 0 to 168
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
    },
    /// Change how many requests a minute a key may make: a number, or default
    Limits {
        id: String,
        #[arg(long, value_parser = limit, required_unless_present = "writes")]
        reads: Option<Limit>,
        #[arg(long, value_parser = limit)]
        writes: Option<Limit>,
    },
}

/// A limit of a key; none is the deployment's default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) Option<u32>);

fn limit(text: &str) -> Result<Limit, &'static str> {
    match text {
        "default" => Ok(Limit(None)),
        number => number.parse().map(|number| Limit(Some(number))).map_err(|_| "a number, or default"),
    }
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token; its text is shown this once
    Issue {
        name: String,
        /// Roles, separated by commas
        #[arg(long)]
        roles: String,
        /// The clinic that it reaches, for the role clinic_admin
        #[arg(long)]
        clinic: Option<String>,
        /// When it stops working, RFC 3339
        #[arg(long)]
        expires: Option<String>,
    },
    List,
    Revoke {
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Invite somebody; the invitation is shown this once, to be passed on
    Invite {
        #[arg(long)]
        email: String,
        /// As others see it; what stands before the @, if not given
        #[arg(long)]
        name: Option<String>,
        /// Roles, separated by commas
        #[arg(long, visible_alias = "roles")]
        role: String,
        /// The clinic that the account reaches, for the role clinic_admin
        #[arg(long)]
        clinic: Option<String>,
    },
    List,
    /// Take password, second factors and sessions from an account, and invite its owner anew
    Reset {
        #[arg(long)]
        email: String,
    },
}
