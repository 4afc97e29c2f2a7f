//! Deliveries that one process writes and another one sends: signals between the processes that share a PostgreSQL.

use std::{sync::Arc, time::Duration};

use nimbus_store::Channel;
use tokio_util::sync::CancellationToken;

use crate::App;

/// A lost connection for signals is made anew after this.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// Signals to other processes are sent at most this often.
const SIGNAL_EVERY: Duration = Duration::from_millis(20);

/// Rings the dispatcher when another process has written deliveries. Without a connection it looks by itself, later.
pub async fn hear_others(app: App, stop: CancellationToken) {
    let listening = async {
        loop {
            let handover = Arc::clone(app.handover());
            if let Err(error) = app.db().listen(Channel::Deliveries, move || handover.ring()).await {
                tracing::warn!(%error, "signals of other processes are not heard");
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = listening => {}
    }
}

/// Signals to the processes that send, where this one does not: once for all that is written meanwhile.
pub async fn wake_others(app: App, stop: CancellationToken) {
    let signalling = async {
        loop {
            app.handover().rung().await;
            if let Err(error) = app.db().signal(Channel::Deliveries).await {
                tracing::warn!(%error, "the dispatchers were not woken");
            }
            tokio::time::sleep(SIGNAL_EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = signalling => {}
    }
}
