//! A change of an endpoint that crosses the publishing of an event.

use std::{sync::Arc, time::Duration};

use nimbus_app::{
    App, PartnerActor, Rendered, Reply, Result,
    clock::wall,
    endpoints::{self, EndpointChange, Options, Shape, Update, Which},
};
use nimbus_store::{
    Db, Engine, Error, Tx,
    testing::{
        TestDb, block_on,
        faults::{linger, states_and_lines},
    },
};
use nimbus_webhooks::{
    outbox::{self, Asked},
    payload::sample_of_clinic,
};

use crate::{
    receiver::Receiver,
    world::{EVENT, Lane, NAMES, app, balanced, call, clinic},
};

/// On SQLite there is one writer, and nothing crosses.
#[test]
fn an_event_that_was_being_written_when_order_was_asked_for_stands_in_line() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let lane = crossed(&test.db, async |app, actor, lane| {
            let options = Options { ordered: Some(true), ..Options::default() };
            let change = EndpointChange { options, ..EndpointChange::default() };
            let which = Which { shape: Shape::Partner, id: lane.id };
            endpoints::update(app, &call(actor), Update { which, names: &NAMES, change }, |_| done()).await
        })
        .await;
        assert_eq!(states_and_lines(&test.db, lane.id).await, [("pending".to_owned(), true)]);
    });
}

#[test]
fn an_event_that_was_being_written_when_its_endpoint_was_deleted_is_cancelled() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let lane = crossed(&test.db, async |app, actor, lane| {
            let which = Which { shape: Shape::Partner, id: lane.id };
            endpoints::delete(app, &call(actor), which, |_| done()).await
        })
        .await;
        assert_eq!(states_and_lines(&test.db, lane.id).await, [("cancelled".to_owned(), false)]);
        assert_eq!(balanced(&test.db).await.pending, 1, "the clinic's other endpoint has its own");
    });
}

fn done() -> Rendered {
    Rendered::new(200, Vec::new())
}

/// Changes an endpoint while an event for it is being written by what it was.
async fn crossed(db: &Db, change: impl AsyncFnOnce(&App, &PartnerActor, &Lane) -> Result<Reply>) -> Lane {
    let receiver = Receiver::start().await;
    let (actor, [_, lane]) = clinic(db, &receiver).await;
    let (app, event) =
        (app(db), Arc::new(sample_of_clinic(EVENT, lane.clinic).expect("it is in the catalogue")));
    let publishing = db.write(move |tx: &mut Tx| {
        let event = Arc::clone(&event);
        Box::pin(async move {
            let asked = Asked { event: (*event).clone(), data: None };
            let rows = outbox::triggered_rows(tx, wall(), vec![asked], None).await?;
            linger(tx).await?;
            tx.batch(rows.statements).await.map(drop)
        })
    });
    let changing = async {
        // The subscriptions have been read.
        tokio::time::sleep(Duration::from_millis(400)).await;
        change(&app, &actor, &lane).await
    };
    let (published, changed) = futures_util::future::join(publishing, changing).await;
    published.map_err(|error: Error| error).expect("it is written");
    changed.expect("it is changed");
    lane
}
