//! How this process listens: the API over TLS or plain, certificates that change, and a listener for operators alone.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use nimbus_app::clock::wall;
use nimbus_core::{access::Environment, time::Ts};
use nimbus_web::{Certificates, Reload, Transport};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{Failure, cli::ServeOptions, config::Settings};

/// Where operators find metrics, if nobody says.
const USUAL_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
/// A certificate that ends within so many days is warned of.
pub(crate) const ENDS_SOON_DAYS: i64 = 14;
const TOLD_AGAIN_DAYS: i64 = 1;
/// Files that are not for callers: the store, receivers of webhooks, logs.
const OTHER_FILES: usize = 1024;

/// Where the admin listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminListen {
    Off,
    At(SocketAddr),
}

impl FromStr for AdminListen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::At).map_err(|_| "must be an address with a port, or off"),
        }
    }
}

/// How the API takes connections.
pub(crate) fn of_api(settings: &Settings) -> Result<Transport, Failure> {
    let mut limits = settings.transport.limits()?;
    limits.connections = within_files(limits.connections);
    let certificates = certificates(settings)?.map(Arc::new);
    if certificates.is_some() && settings.behind_proxy {
        tracing::info!(
            "TLS and a proxy are both declared: this server speaks TLS, to the proxy too, and takes the proxy's word for \
             the addresses of callers"
        );
    }
    Ok(Transport { limits, proxies: settings.proxies()?, certificates, ..Transport::default() })
}

/// The certificate of the settings, if the API speaks TLS.
pub(crate) fn certificates(settings: &Settings) -> Result<Option<Certificates>, Failure> {
    let Some(files) = settings.transport.tls()? else { return Ok(None) };
    Ok(Some(Certificates::read(&files.certificate, &files.key)?))
}

/// As many connections as there can be files: the process takes what it is allowed, and keeps some for itself.
fn within_files(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let Some(files) = (if raised { maximum } else { current }) else { return connections };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let room = files - OTHER_FILES.min(files / 2);
    if room < connections {
        tracing::warn!(
            files,
            connections = room,
            "fewer connections than set: the process may open few files"
        );
    }
    connections.min(room)
}

/// Looks after a certificate while it is served.
pub(crate) struct Keeper {
    certificates: Arc<Certificates>,
    every: Duration,
    hangups: Signal,
}

impl Keeper {
    /// From now on SIGHUP is heard.
    pub(crate) fn new(settings: &Settings, transport: &Transport) -> Result<Option<Self>, Failure> {
        let (Some(certificates), Some(files)) = (&transport.certificates, settings.transport.tls()?) else {
            return Ok(None);
        };
        let hangups = signal(SignalKind::hangup())?;
        Ok(Some(Self { certificates: Arc::clone(certificates), every: files.look_every, hangups }))
    }

    /// Serves what the files hold, as soon as it changes, and warns before it ends.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut told: Option<Ts> = None;
        loop {
            let now = wall();
            if told.is_none_or(|at| at.plus_days(TOLD_AGAIN_DAYS) <= now)
                && let Err(warning) = standing(self.certificates.ends(), now)
            {
                told = Some(now);
                tracing::warn!("{warning}");
            }
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = self.hangups.recv() => true,
                () = tokio::time::sleep(self.every) => false,
            };
            let certificates = Arc::clone(&self.certificates);
            // Files may be where a disk is slow.
            match tokio::task::spawn_blocking(move || certificates.reload(wall())).await {
                Ok(Ok(Reload::Replaced(ends))) => {
                    told = None;
                    tracing::info!(%ends, "another certificate is served");
                }
                Ok(Ok(Reload::Same)) if asked => tracing::info!("the certificate is the same"),
                Ok(Ok(Reload::Same)) => {}
                Ok(Err(error)) => {
                    let cause = error.source().map(ToString::to_string);
                    tracing::error!(%error, cause, "the new certificate is refused, the old one stays");
                }
                Err(error) => tracing::error!(%error, "the certificate could not be looked at"),
            }
        }
    }
}

/// When a certificate ends, as an error if that is soon.
pub(crate) fn standing(ends: Ts, now: Ts) -> Result<String, String> {
    if ends <= now {
        return Err(format!("the certificate ended on {ends}"));
    }
    if ends <= now.plus_days(ENDS_SOON_DAYS) {
        return Err(format!("the certificate ends soon, on {ends}"));
    }
    Ok(format!("the certificate ends on {ends}"))
}

pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    Ok(bound.map_err(|error| format!("cannot listen on {address}: {error}"))?)
}

/// The listener for operators. One that nobody asked for stays away from a port that is taken.
pub(crate) async fn admin_listener(
    environment: Environment,
    options: &ServeOptions,
) -> Result<Option<TcpListener>, Failure> {
    let address = match options.admin_listen {
        Some(AdminListen::Off) => return Ok(None),
        Some(AdminListen::At(address)) => address,
        None => {
            let listener = listen(USUAL_ADMIN).await;
            let listener = listener.inspect_err(
                |error| tracing::warn!(%error, "no admin listener (NIMBUS_ADMIN_LISTEN says where)"),
            );
            return Ok(listener.ok());
        }
    };
    if environment == Environment::Production && !address.ip().is_loopback() && !options.admin_remote {
        return Err(
            "production refuses an admin listener that others reach, unless NIMBUS_ADMIN_REMOTE=true says \
                    that a firewall stands before it"
                .into(),
        );
    }
    Ok(Some(listen(address).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_days_before_its_end_a_certificate_is_warned_of() {
        let ends = Ts::parse("2026-03-01T00:00:00Z").unwrap();
        assert_eq!(
            standing(ends, ends.plus_days(-14).plus_seconds(-1)).unwrap(),
            "the certificate ends on 2026-03-01T00:00:00.000Z"
        );
        for (days, told) in [(-14, "ends soon"), (-1, "ends soon"), (0, "ended on"), (9, "ended on")] {
            let wrong = standing(ends, ends.plus_days(days)).unwrap_err();
            assert!(wrong.contains(told), "{days}: {wrong}");
        }
    }

    #[test]
    fn an_admin_listener_is_somewhere_or_off() {
        assert_eq!("off".parse(), Ok(AdminListen::Off));
        assert_eq!("127.0.0.1:9464".parse(), Ok(AdminListen::At(USUAL_ADMIN)));
        assert!("9464".parse::<AdminListen>().is_err());
    }
}
