//! The `nimbus` binary: commands, configuration and the wiring of the process.

mod admin;
mod admin_users;
mod audit;
mod boot;
mod cli;
mod config;
mod config_file;
mod config_shipping;
mod config_transport;
mod demo;
mod doctor;
mod keys;
mod metrics;
mod openapi;
mod retention;
mod rules;
mod seed;
mod serve;
mod transport;
mod vault;
mod webhook;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, ConfigCommand, RetentionCommand, WebhookCommand};

/// What one thread allocates another often frees here, and the C library's allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that ends a command, as a sentence for whoever typed it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The one place where the process's TLS provider is chosen; a second call cannot happen before it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let settings = config::Settings::load(&cli.settings)?;
    let default_filter =
        if matches!(cli.command, Command::Demo { .. }) { "warn" } else { "info,refinery_core=warn" };
    boot::start_logging(&settings, default_filter);
    match cli.command {
        Command::Serve(options) => serve::serve(&settings, &options).await,
        Command::Migrate => boot::migrate(&settings).await,
        Command::Seed { json } => seed::seed(&settings, json).await,
        Command::Demo { once } => demo::demo(settings, once).await,
        Command::Doctor { json } => doctor::doctor(&settings, json).await,
        Command::Admin(command) => admin::admin(&settings, command).await,
        Command::Openapi { document, out } => {
            openapi::openapi(&settings.brand, document.as_deref(), out.as_deref())
        }
        Command::Webhook(WebhookCommand::Verify(options)) => webhook::verify(&options),
        Command::Rules(command) => rules::rules(&settings, command).await,
        Command::Retention(RetentionCommand::Run { dry_run, json }) => {
            retention::run(&settings, dry_run, json).await
        }
        Command::Keys(command) => keys::keys(&settings, command).await,
        Command::Audit(command) => audit::audit(&settings, command).await,
        Command::Config(ConfigCommand::Check) => config::check(&settings),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("nimbus: {failure}");
    let mut source = failure.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
