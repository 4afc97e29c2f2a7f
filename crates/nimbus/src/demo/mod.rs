//! `nimbus demo`: a sandbox on loopback, a receiver of its own, and an order's whole life by the public API.

mod client;
mod holds;
mod receiver;
mod story;
mod tour;

use std::time::Duration;

use nimbus_app::sandbox;
use tokio::net::TcpListener;

use self::{client::Client, receiver::Receiver, story::Story, tour::Tour};
use crate::{
    Failure, boot,
    config::Settings,
    serve::{Stop, signalled, start_workers, web_settings},
};

/// Where the demo likes to serve; another free port if it is taken.
const LIKED_PORT: u16 = 8080;

/// After the tour orders advance by themselves, a step every so often.
const PACE: Duration = Duration::from_secs(5);

pub(crate) async fn demo(settings: Settings, once: bool) -> Result<(), Failure> {
    let settings = settings.for_demo();
    let story = Story::new();
    story.title("Nimbus demo: a sandbox on this machine, nothing leaves it");
    let db = boot::open_store(&settings).await?;
    let listener = match TcpListener::bind(("127.0.0.1", LIKED_PORT)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await?,
    };
    let listens = listener.local_addr()?;
    let app = boot::start(&settings, &db, Some(listens)).await?;
    let seed = sandbox::seed(&app, &settings.master_key()?).await?;
    // A fill of sixty days ago for the refill at the end, made before the receiver subscribes.
    let old_fill =
        sandbox::delivered_fill(&app, seed.clinic_id, seed.practitioner_id, seed.patient_id).await?;

    let base = format!("http://{listens}");
    let stop = Stop::default();
    let router = nimbus_web::router(app.clone(), web_settings(&settings, &app)?);
    let api = tokio::spawn(nimbus_web::serve(listener, router, stop.api.clone()));
    let workers = start_workers(&settings, &app, &stop.workers)?;
    let receiver = Receiver::start(seed.integration_key.clone(), stop.workers.clone()).await?;

    let client = Client::new(&base, &seed.integration_key, &seed.ops_token);
    let mut tour = Tour { client: &client, receiver, story: &story, seed: &seed, old_fill };
    let toured = tour.run().await;
    if toured.is_ok() && !once {
        app.start_auto_advance(PACE);
        story.what_next(&base, &seed, &settings.data_dir);
        signalled().await?;
    }
    if once || toured.is_err() {
        // The receiver ends with this process: nothing is to wait for it.
        tour.remove_endpoint().await.ok();
    }
    stop.api.cancel();
    api.await.ok();
    stop.workers.cancel();
    for worker in workers {
        worker.await.ok();
    }
    db.close().await;
    toured
}
