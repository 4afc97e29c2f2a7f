//! Signals between the processes that share a PostgreSQL (`listen` and `notify`). They carry nothing and may be lost:
//! whoever listens looks by itself from time to time as well. On SQLite there is one process.

use std::future::poll_fn;

use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, NoTls,
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{Db, Handle};
use crate::{
    error::Result,
    fault::{self, Point},
};

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Deliveries are due that anybody may claim.
    Deliveries,
}

impl Channel {
    const fn listen(self) -> &'static str {
        match self {
            Self::Deliveries => "listen nimbus_deliveries",
        }
    }

    const fn signal(self) -> &'static str {
        match self {
            Self::Deliveries => "select pg_notify('nimbus_deliveries', '')",
        }
    }
}

impl Db {
    /// Calls `on_signal` for each signal, and once when it begins to listen, because some may have been missed before.
    /// Returns when the connection is lost; on SQLite never.
    ///
    /// # Errors
    /// If the server cannot be reached, or the connection fails.
    pub async fn listen(&self, channel: Channel, on_signal: impl Fn() + Send) -> Result<()> {
        let Handle::Postgres(handle) = &self.0.handle else { return std::future::pending().await };
        fault::point(Point::Listen).await?;
        let (config, tls) = handle.own_config();
        match tls {
            None => listen_by(config, NoTls, channel, on_signal).await,
            Some(tls) => listen_by(config, tls, channel, on_signal).await,
        }
    }

    /// Signals to all that listen. Does nothing on SQLite.
    pub async fn signal(&self, channel: Channel) -> Result<()> {
        let Handle::Postgres(_) = &self.0.handle else { return Ok(()) };
        fault::point(Point::Signal).await?;
        self.write(move |tx| Box::pin(async move { tx.query(channel.signal(), &[]).await.map(drop) })).await
    }
}

async fn listen_by<T>(config: &Config, tls: T, channel: Channel, on_signal: impl Fn() + Send) -> Result<()>
where
    T: MakeTlsConnect<tokio_postgres::Socket> + Send,
    T::Stream: Send + Unpin,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<tokio_postgres::Socket>>::Future: Send,
{
    let (client, connection) = config.connect(tls).await?;
    let begun = async {
        client.batch_execute(channel.listen()).await?;
        on_signal();
        // It stays open as long as somebody listens.
        std::future::pending::<Result<&Client>>().await
    };
    tokio::select! {
        failed = begun => failed.map(drop),
        ended = signals(connection, &on_signal) => ended,
    }
}

/// Drives the connection to its end.
async fn signals<S, T>(mut connection: Connection<S, T>, on_signal: &impl Fn()) -> Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message? {
            on_signal();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use tokio::time::timeout;

    use super::*;
    use crate::{
        Engine,
        testing::{TestDb, block_on},
    };

    #[test]
    fn who_listens_hears_the_others_and_once_at_the_beginning() {
        block_on(async {
            let test = TestDb::empty(Engine::Postgres).await;
            let heard = Arc::new(AtomicUsize::new(0));
            let (db, counted) = (test.db.clone(), Arc::clone(&heard));
            let count = move || {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            let listening = tokio::spawn(async move { db.listen(Channel::Deliveries, count).await });
            let heard_so_often = async |often| {
                while heard.load(Ordering::Relaxed) < often {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(Duration::from_secs(20), heard_so_often(1)).await.unwrap();
            test.db.signal(Channel::Deliveries).await.unwrap();
            timeout(Duration::from_secs(20), heard_so_often(2)).await.unwrap();
            listening.abort();
        });
    }
}
