"""Every operation of the public documents has a method that sends what the document says and returns what it says."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple

import pytest
from conftest import Stub, reply

OPENAPI = Path(__file__).resolve().parents[3] / "openapi"
DOCUMENTS = {"orders.json": "", "integration.json": "/api/external", "partner.json": "/api/external"}

# The method of each operation, and what it is called with. Ids are the names of their parameters, so that the path that
# is sent is the document's without its braces.
CALLS: Dict[str, Tuple[str, Tuple[Any, ...]]] = {
    # The orders API.
    "createOrder": ("orders.create", ({},)),
    "listOrders": ("orders.list", ()),
    "getOrder": ("orders.retrieve", ("orderId",)),
    "cancelOrder": ("orders.cancel", ("orderId",)),
    "getOrderTracking": ("orders.tracking", ("orderId",)),
    "createRefill": ("refills.create", ({},)),
    "listRefills": ("refills.list", ()),
    "getRefill": ("refills.retrieve", ("refillId",)),
    "cancelRefill": ("refills.cancel", ("refillId",)),
    "getPrescriptionRefillEligibility": ("refills.eligibility", ()),
    "listPatientPrescriptions": ("patient_prescriptions.list", ()),
    "getPatientPrescription": ("patient_prescriptions.retrieve", ("prescriptionId",)),
    "createWebhookEndpoint": ("webhook_endpoints.create", ({},)),
    "listWebhookEndpoints": ("webhook_endpoints.list", ()),
    "getWebhookEndpoint": ("webhook_endpoints.retrieve", ("webhookId",)),
    "updateWebhookEndpoint": ("webhook_endpoints.update", ("webhookId", {})),
    "deleteWebhookEndpoint": ("webhook_endpoints.delete", ("webhookId",)),
    "rotateWebhookEndpointSecret": ("webhook_endpoints.rotate_secret", ("webhookId",)),
    "sendTestWebhook": ("webhook_endpoints.test", ()),
    "listWebhookEndpointDeliveries": ("webhook_endpoints.list_deliveries", ("webhookId",)),
    "retryWebhookEndpointDelivery": ("webhook_endpoints.retry_delivery", ("webhookId", "deliveryId")),
    "resendWebhookEndpointEvent": ("webhook_endpoints.resend_event", ("webhookId", "eventId")),
    "replayWebhookEndpoint": ("webhook_endpoints.replay", ("webhookId", {})),
    "getWebhookEndpointReplay": ("webhook_endpoints.retrieve_replay", ("webhookId", "replayId")),
    "cancelWebhookEndpointReplay": ("webhook_endpoints.cancel_replay", ("webhookId", "replayId")),
    "listOrderEvents": ("order_events.list", ()),
    "getOrderEvent": ("order_events.retrieve", ("eventId",)),
    "streamOrderEvents": ("order_events.stream", ()),
    # The partner API.
    "getClinic": ("clinic.retrieve", ()),
    "createPractitioner": ("practitioners.create", ({},)),
    "listPractitioners": ("practitioners.list", ()),
    "getPractitioner": ("practitioners.retrieve", ("id",)),
    "updatePractitioner": ("practitioners.update", ("id", {})),
    "assignPractitioner": ("practitioners.assign", ("id", {})),
    "unassignPractitioner": ("practitioners.unassign", ("id", {})),
    "getPractitionerSignature": ("practitioners.retrieve_signature", ("id",)),
    "putPractitionerSignature": ("practitioners.put_signature", ("id", b"\x89PNG", "image/png")),
    "deletePractitionerSignature": ("practitioners.delete_signature", ("id",)),
    "createPatient": ("patients.create", ({},)),
    "listPatients": ("patients.list", ()),
    "getPatient": ("patients.retrieve", ("id",)),
    "updatePatient": ("patients.update", ("id", {})),
    "assignPatient": ("patients.assign", ("id", {})),
    "unassignPatient": ("patients.unassign", ("id", {})),
    "createMedicationOrder": ("medication_orders.create", ({},)),
    "listMedicationOrders": ("medication_orders.list", ()),
    "getMedicationOrder": ("medication_orders.retrieve", ("id",)),
    "cancelMedicationOrder": ("medication_orders.cancel", ("id",)),
    "resolveHold": ("medication_orders.resolve_hold", ("id", "holdId")),
    "getMedicationRequest": ("medication_requests.retrieve", ("id",)),
    "listPrescriptions": ("prescriptions.list", ()),
    "getPrescription": ("prescriptions.retrieve", ("id",)),
    "createRefillRequest": ("refill_requests.create", ({},)),
    "listRefillRequests": ("refill_requests.list", ()),
    "getRefillRequest": ("refill_requests.retrieve", ("id",)),
    "cancelRefillRequest": ("refill_requests.cancel", ("id",)),
    "getRefillEligibility": ("refill_requests.eligibility", ()),
    "listCarriers": ("carriers.list", ()),
    "listCarrierServices": ("carriers.services", ("carrierId",)),
    "getShipment": ("shipments.retrieve", ("id",)),
    "getShipmentTracking": ("shipments.tracking", ("id",)),
    "createWebhook": ("webhooks.create", ({},)),
    "listWebhooks": ("webhooks.list", ()),
    "getWebhook": ("webhooks.retrieve", ("id",)),
    "updateWebhook": ("webhooks.update", ("id", {})),
    "deleteWebhook": ("webhooks.delete", ("id",)),
    "deleteNamedWebhook": ("webhooks.delete_named", ()),
    "rotateWebhookSecret": ("webhooks.rotate_secret", ("id",)),
    "testWebhook": ("webhooks.test", ("id",)),
    "getWebhookStats": ("webhooks.stats", ("id",)),
    "listWebhookDeliveries": ("webhooks.list_deliveries", ("id",)),
    "retryWebhookDelivery": ("webhooks.retry_delivery", ("id", "deliveryId")),
    "resendWebhookEvent": ("webhooks.resend_event", ("id", "eventId")),
    "replayWebhook": ("webhooks.replay", ("id", {})),
    "getWebhookReplay": ("webhooks.retrieve_replay", ("id", "replayId")),
    "cancelWebhookReplay": ("webhooks.cancel_replay", ("id", "replayId")),
    "listEventTypes": ("webhooks.event_types", ()),
    "listEvents": ("events.list", ()),
    "getEvent": ("events.retrieve", ("id",)),
    "streamEvents": ("events.stream", ()),
    "listOwnKeys": ("keys.list", ()),
    "rotateOwnKey": ("keys.rotate", ("id",)),
    "confineOwnKey": ("keys.confine", ("id", {})),
    "revokeOwnKey": ("keys.revoke", ("id",)),
    "listSandboxFixtures": ("sandbox.fixtures", ()),
    "moveSandboxClock": ("sandbox.move_clock", ({},)),
    "advanceSandboxOrder": ("sandbox.advance_order", ("id",)),
    "triggerSandboxEvent": ("sandbox.trigger", ({},)),
    "resetSandbox": ("sandbox.reset", ()),
}


class Operation(NamedTuple):
    document: str
    id: str
    sent: str
    spoken: Dict[str, Any]
    #: The annotations of its body, its query and its reply, as the document has them.
    body: str
    query: str
    returns: str


def name_of(schema: Dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def returned(schemas: Dict[str, Any], spoken: Dict[str, Any]) -> str:
    """What the method of an operation is annotated to return."""
    success = next(one for status, one in spoken["responses"].items() if status.startswith("2"))
    content = success.get("content", {})
    if not content:
        return "None"
    if "text/event-stream" in content:
        return "Iterator"
    if "application/json" not in content:
        return "bytes"
    name = name_of(content["application/json"]["schema"])
    fields = schemas[name].get("properties", {})
    data = fields.get("data", {})
    if "nextCursor" in fields or "next_cursor" in fields:
        return f"Page[{name_of(data['items'])}]"
    if not {"success", "data", "message"} == set(fields):
        return name
    return f"List[{name_of(data['items'])}]" if data.get("type") == "array" else name_of(data)


def operations() -> Iterator[Operation]:
    for file, root in DOCUMENTS.items():
        document = json.loads((OPENAPI / file).read_text())
        schemas = document["components"]["schemas"]
        for path, methods in document["paths"].items():
            for method, spoken in methods.items():
                operation = spoken["operationId"]
                body = spoken.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
                has_query = any(one.get("in") == "query" for one in spoken.get("parameters", []))
                query = f"{operation[0].upper()}{operation[1:]}Query" if has_query else ""
                sent = f"{method.upper()} {root}{re.sub('[{}]', '', path)}"
                yield Operation(file, operation, sent, spoken, name_of(body), query, returned(schemas, spoken))


OPERATIONS = list(operations())
each = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.document}:{one.id}")


def method_of(client: Any, operation: str) -> Callable[..., Any]:
    resource, name = CALLS[operation][0].split(".")
    method: Callable[..., Any] = getattr(getattr(client, resource), name)
    return method


def test_every_operation_has_a_method() -> None:
    assert set(CALLS) == {operation.id for operation in OPERATIONS}


@each
def test_a_method_sends_what_the_document_says(stub: Stub, operation: Operation) -> None:
    client = stub.client(reply(200, {"success": True, "data": [], "message": "OK"}))
    arguments = CALLS[operation.id][1]
    if operation.returns == "Iterator":
        stub.items(method_of(client, operation.id)(*arguments, reconnect=False))
    else:
        stub.run(method_of(client, operation.id)(*arguments))
    assert [f"{request.method} {request.url.path}" for request in stub.sent] == [operation.sent]
    request = stub.sent[0]
    references = [one.get("$ref", "") for one in operation.spoken.get("parameters", [])]
    takes_key = any(reference.endswith("/IdempotencyKey") for reference in references)
    assert ("idempotency-key" in request.headers) == takes_key
    kinds = operation.spoken.get("requestBody", {}).get("content", {})
    if operation.spoken.get("requestBody", {}).get("required"):
        assert request.content
    if request.content:
        assert request.headers["content-type"] in kinds


@each
def test_a_method_is_annotated_as_the_document_says(stub: Stub, operation: Operation) -> None:
    method = method_of(stub.client(reply(200)), operation.id)
    signature = inspect.signature(method)
    returns = str(signature.return_annotation).replace("AsyncPages", "Page").replace("AsyncIterator", "Iterator")
    if operation.returns == "Iterator":
        returns = returns.partition("[")[0]
    assert returns == operation.returns
    query = signature.parameters.get("query")
    assert (str(query.annotation) if query else "") == (f"Unpack[{operation.query}]" if operation.query else "")
    body = signature.parameters.get("body")
    if body is not None:
        assert re.sub(r"Optional\[(.*)\]", r"\1", str(body.annotation)) == operation.body
