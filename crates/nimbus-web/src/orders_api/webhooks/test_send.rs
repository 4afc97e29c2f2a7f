//! A test send: one signed sample, sent at once, with what came of it as the reply.

use axum::extract::State;
use nimbus_app::webhook_test::{self, TestSend, TestSent};
use nimbus_core::access::Scope;

use super::types::{WebhookTest, WebhookTestResult};
use crate::{
    Web,
    body::Incoming,
    checks::text,
    failure::Answer,
    fields::Fields,
    orders_api::envelope,
    webhooks::{MAX_EVENT_TYPE, MAX_URL},
};

fn read_test(f: &mut Fields<'_>) -> Option<TestSend> {
    Some(TestSend {
        event_type: f.optional("eventType", text(1..=MAX_EVENT_TYPE)),
        url: f.optional("webhookUrl", text(1..=MAX_URL)),
    })
}

/// Sends one sample event now, signed and with the headers of a real delivery, and waits for the answer. A failure
/// to deliver is a reply too: `success` is false, and `message` says what can be done. To a registered URL it goes
/// with that webhook's secret; any other gets a secret of its own, which the reply shows. It is no delivery: nothing
/// is tried again, and no list shows it.
#[utoipa::path(post, path = "/webhooks/test", tag = "Webhooks", operation_id = "sendTestWebhook",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    request_body(content = WebhookTest, description = "What to send where"),
    responses((status = 200, description = "What came of it", body = WebhookTestResult)))]
pub(crate) async fn send(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let command = request.json(&mut call, read_test).await?;
    let render = |sent: &TestSent| envelope::written(WebhookTestResult::from(sent));
    Ok(envelope::reply(webhook_test::send(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<WebhookTest, _>(read_test);
    }
}
