//! A seeded sandbox in this process: the whole router over a store of its own.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use jiff::tz::TimeZone;
use nimbus_app::{
    App, Config,
    carrier_feed::CarrierFeeds,
    clock::Clock,
    formulary,
    limits::Rates,
    sandbox::{self, Seed},
};
use nimbus_core::access::Environment;
use nimbus_store::{Db, MasterKey, migrate};
use nimbus_web::{WebSettings, router};
use serde_json::Value;
use tokio::runtime::Builder;
use tower::ServiceExt;

pub(crate) const FEED_SECRET: &str = "feed-secret";
pub(crate) const EASYPOST_SECRET: &str = "easypost-secret";
const MASTER: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";

/// The sandbox that all the inputs of a process are sent to, one after the other.
pub(crate) struct World {
    /// Through the router.
    answer: Box<dyn Fn(Request<Full<Bytes>>) -> Reply + Send>,
    pub(crate) seed: Seed,
    sent: AtomicU64,
    _folder: tempfile::TempDir,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

impl World {
    pub(crate) fn get() -> MutexGuard<'static, Self> {
        static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
        let world = WORLD.get_or_init(|| Mutex::new(Self::new()));
        world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (app, seed) = runtime.block_on(async {
            let master = || MasterKey::from_base64(MASTER).expect("32 bytes");
            let db = Db::open_sqlite(&folder.path().join("nimbus.db"), master()).await.expect("a store");
            migrate::run(&db).await.expect("an empty store takes every migration");
            let app = App::new(db, config(), Clock::default());
            let seed = sandbox::seed(&app, &master()).await.expect("a sandbox");
            (app, seed)
        });
        let settings = WebSettings::new(Arc::new(|| Box::pin(async { Ok(()) })));
        let router = router(app, settings);
        let answer = move |request: Request<Full<Bytes>>| {
            let router = router.clone();
            runtime.block_on(async {
                let Ok(response) = router.oneshot(request).await;
                let (parts, body) = response.into_parts();
                let bytes = body.collect().await.expect("a body in memory").to_bytes();
                Reply { status: parts.status, headers: parts.headers, bytes }
            })
        };
        Self { answer: Box::new(answer), seed, sent: AtomicU64::new(0), _folder: folder }
    }

    /// A number that no request before had.
    pub(crate) fn number(&self) -> u64 {
        self.sent.fetch_add(1, Relaxed)
    }

    /// A request and its reply, which is never a failure of ours, and is JSON with the id of the request if it is a
    /// refusal. `None` if a header is none that HTTP can carry.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> Option<Reply> {
        let mut request = Request::builder().method(method).uri(path).header("host", "nimbus.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).ok()?;
        let reply = (self.answer)(request);
        assert!(!reply.status.is_server_error(), "{}", reply.status);
        assert!(reply.headers.contains_key("x-request-id"));
        if reply.status.is_client_error() {
            let error = &reply.json()["error"];
            assert!(error["code"].is_string() && error["message"].is_string(), "a refusal without its shape");
        }
        Some(reply)
    }
}

fn config() -> Config {
    Config {
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Sandbox),
        thresholds: Default::default(),
        address_policy: Default::default(),
        deadline: Default::default(),
        onboarding: None,
        pharmacy_feed_secret: Some(FEED_SECRET.to_owned()),
        labels: Default::default(),
        carrier_feeds: CarrierFeeds {
            shipengine_keys: None,
            easypost_secret: Some(EASYPOST_SECRET.to_owned()),
        },
        rates: Rates::OFF,
        auto_advance: None,
        retention: Default::default(),
        staff: Default::default(),
        shipping: Arc::default(),
        parcel_reply: nimbus_web::parcel_reply,
    }
}
