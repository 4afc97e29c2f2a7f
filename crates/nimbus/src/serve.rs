//! `nimbus serve`: the API, the dispatcher and the jobs in one process, stopped without losing anything.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use nimbus_app::{
    App, audit,
    clock::wall,
    jobs, ledger, limits, operations,
    signals::{hear_others, wake_others},
};
use nimbus_store::Db;
use nimbus_web::{Transport, WebSettings};
use nimbus_webhooks::dispatcher::{Dispatcher, Settings as DispatchSettings};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Failure, boot,
    cli::{ServeOptions, ServeRole},
    config::Settings,
    metrics,
    transport::{self, Keeper, listen},
};

/// A stop takes at most this long.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// What the API still answers has so much of that: a caller who takes nothing does not keep the workers from ending.
const API_STOP_WITHIN: Duration = Duration::from_secs(5);
/// Partitions for the coming weeks are made this often, and where that did not work, again after the other.
const UPKEEP: Duration = Duration::from_secs(24 * 3600);
const UPKEEP_AGAIN: Duration = Duration::from_secs(60);

pub(crate) async fn serve(settings: &Settings, options: &ServeOptions) -> Result<(), Failure> {
    let db = boot::open_store(settings).await?;
    let listener = match options.role {
        ServeRole::Worker => None,
        ServeRole::All | ServeRole::Api => Some(listen(options.listen).await?),
    };
    let admin = transport::admin_listener(settings.environment, options).await?;
    let transport = match options.role {
        ServeRole::Worker => Transport::default(),
        ServeRole::All | ServeRole::Api => transport::of_api(settings)?,
    };
    let keeper = Keeper::new(settings, &transport)?;
    // What a worker tells leads to the server beside it.
    let listens = listener.as_ref().map_or(Ok(options.listen), TcpListener::local_addr)?;
    let app = boot::start(settings, &db, Some(listens)).await?;
    let stop = Stop::default();
    let mut running = Vec::new();
    if options.role != ServeRole::Api {
        running.extend(start_workers(settings, &app, &stop.workers)?);
    } else {
        running.push(tokio::spawn(wake_others(app.clone(), stop.workers.clone())));
    }
    if let Some(listener) = admin {
        tracing::info!(address = %listener.local_addr()?, "admin listens");
        let router = metrics::router(app.clone(), &transport);
        running.push(tokio::spawn(nimbus_web::serve(listener, router, stop.workers.clone())));
    }
    if let Some(keeper) = keeper {
        running.push(tokio::spawn(keeper.run(stop.workers.clone())));
    }
    let mut api = None;
    if let Some(listener) = listener {
        tracing::info!(address = %listens, environment = %settings.environment, engine = ?db.engine(), "the API listens");
        let router = nimbus_web::router(app.clone(), web_settings(settings, &app)?);
        api = Some(tokio::spawn(nimbus_web::serve_by(listener, router, transport, stop.api.clone())));
        running.push(tokio::spawn(limits::run(app.clone(), stop.workers.clone())));
        if let Some(path) = &options.port_file {
            write_port(path, listens)?;
        }
    }
    signalled().await?;
    tracing::info!("stopping");
    let stopped = tokio::time::timeout(STOP_WITHIN, async {
        app.news().close();
        stop.api.cancel();
        if let Some(api) = api
            && tokio::time::timeout(API_STOP_WITHIN, api).await.is_err()
        {
            tracing::warn!("some replies were not taken in time");
        }
        stop.workers.cancel();
        for task in running {
            task.await.ok();
        }
        db.close().await;
    });
    if stopped.await.is_err() {
        tracing::warn!("not everything ended in time; what is unfinished is in the store");
    }
    Ok(())
}

/// What the surfaces need to know of this deployment.
pub(crate) fn web_settings(settings: &Settings, app: &App) -> Result<WebSettings, Failure> {
    let app = app.clone();
    let ready = move || {
        let app = app.clone();
        let ready: std::pin::Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>> =
            Box::pin(async move { operations::readiness(&app).await });
        ready
    };
    let mut web = WebSettings::new(Arc::new(ready));
    web.proxies = settings.proxies()?;
    web.body_timeout = settings.transport.body_timeout()?;
    web.cors_origins = settings.cors_origins()?;
    web.brand = settings.brand.clone();
    Ok(web)
}

/// The API stops first, so that what it still answers is still delivered.
#[derive(Default)]
pub(crate) struct Stop {
    pub(crate) api: CancellationToken,
    pub(crate) workers: CancellationToken,
}

/// The dispatcher, the jobs, the ledger, the audit's chain and the upkeep of partitions.
pub(crate) fn start_workers(
    settings: &Settings,
    app: &App,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    let dispatch = DispatchSettings {
        policy: settings.address_policy(),
        retry_scale: settings.retry_scale()?,
        gate: app.gate(),
    };
    let dispatcher = Dispatcher::new(app.db().clone(), dispatch, Arc::clone(app.handover()), wall);
    Ok(vec![
        tokio::spawn(dispatcher.run(stop.clone())),
        tokio::spawn(hear_others(app.clone(), stop.clone())),
        tokio::spawn(jobs::run(app.clone(), stop.clone())),
        tokio::spawn(ledger::run(app.clone(), stop.clone())),
        tokio::spawn(audit::run(app.clone(), stop.clone())),
        tokio::spawn(upkeep(app.db().clone(), stop.clone())),
    ])
}

async fn upkeep(db: Db, stop: CancellationToken) {
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = match nimbus_store::ensure_partitions(&db, wall()).await {
            Ok(true) => UPKEEP,
            Ok(false) => {
                tracing::warn!(
                    "partitions for the coming weeks were not made: their tables are busy, or a default partition is large"
                );
                UPKEEP_AGAIN
            }
            Err(error) => {
                tracing::error!(%error, "partitions for the coming weeks could not be made");
                UPKEEP_AGAIN
            }
        };
    }
}

/// Written beside and moved into place, so that whoever waits for the file never reads half of it.
fn write_port(path: &Path, address: SocketAddr) -> Result<(), Failure> {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, format!("{}\n", address.port()))?;
    std::fs::rename(&beside, path)?;
    Ok(())
}

/// Waits for SIGTERM or an interrupt.
pub(crate) async fn signalled() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
