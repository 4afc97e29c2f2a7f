"""A partner's program on a live sandbox: orders, refills, refusals, pages, tags."""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any, Dict, List

import pytest

import nimbus_os

from .conftest import ADDRESS, Live


def test_an_order_is_followed_home(live: Live) -> None:
    client = live.client
    on_file = live.prescribe(do_not_fill=True)["medications"][0]["prescription_id"]
    body = {"patientId": live.seed["patient_id"], "prescriptionId": on_file, "shippingAddress": ADDRESS}
    seen: List[nimbus_os.ResponseInfo] = []
    options: nimbus_os.RequestOptions = {"idempotency_key": str(uuid.uuid4()), "on_response": seen.append}
    made = live.run(client.orders.create(body, options=options))
    again = live.run(client.orders.create(body, options=options))
    assert again == made
    assert [(info.status, info.replayed) for info in seen] == [(201, False), (201, True)]
    assert seen[0].headers["location"] == f"/orders/{made['id']}"
    assert re.fullmatch("ord_[a-zA-Z0-9]+", made["id"])
    assert (made["status"], made["trackingNumber"]) == ("pending", None)
    with pytest.raises(nimbus_os.IdempotencyError):
        live.run(client.orders.create({**body, "notes": "Another"}, options=options))

    assert live.run(client.orders.tracking(made["id"]))["status"] is None
    live.run(client.sandbox.advance_order(made["id"], {"to": "shipped"}))
    assert live.run(client.orders.retrieve(made["id"]))["status"] == "shipped"
    assert live.run(client.orders.tracking(made["id"]))["status"] == "in_transit"
    live.run(client.sandbox.advance_order(made["id"], {"to": "delivered"}))
    delivered = live.run(client.orders.retrieve(made["id"]))
    assert delivered["status"] == "delivered" and delivered["trackingNumber"]
    with pytest.raises(nimbus_os.ConflictError) as late:
        live.run(client.orders.cancel(made["id"], {"reason": "Too late"}))
    assert (late.value.status, late.value.code) == (409, "invalid_status_transition")


def test_a_refill_is_requested(live: Live) -> None:
    client = live.client
    order = live.prescribe(do_not_fill=False)
    prescription = {"prescriptionId": order["medications"][0]["prescription_id"], "patientId": live.seed["patient_id"]}
    live.run(client.sandbox.advance_order(order["medication_order_id"], {"to": "delivered"}))
    moved = live.run(client.sandbox.move_clock({"advance_days": 40}))
    assert moved["finished"]
    may = live.run(client.refills.eligibility(**prescription))
    assert (may["eligible"], may["refillsRemaining"], may["reasons"]) == (True, 3, [])
    refill = live.run(client.refills.create(prescription))
    assert refill["status"] == "approved" and refill["orderId"]
    assert live.run(client.refills.retrieve(refill["id"])) == refill
    with pytest.raises(nimbus_os.BusinessRuleError) as second:
        live.run(client.refills.create(prescription))
    assert (second.value.status, second.value.code) == (422, "refill_not_eligible")
    assert second.value.reasons == ["not_shipped", "already_open"]
    with pytest.raises(nimbus_os.BusinessRuleError) as third:
        request = order["medications"][0]["id"]
        live.run(client.refill_requests.create({"medication_request_id": request}))
    assert third.value.status == 400 and third.value.reasons


def test_mistakes_are_told(live: Live, seed: Dict[str, Any]) -> None:
    client = live.client
    wrong = {**ADDRESS, "state": "tx", "zip": "7870"}
    body = {"patientId": seed["patient_id"], "prescriptionId": seed["prescription_id"], "shippingAddress": wrong}
    with pytest.raises(nimbus_os.ValidationError) as refused:
        live.run(client.orders.create(body))
    assert [one.field for one in refused.value.fields] == ["shippingAddress.state", "shippingAddress.zip"]
    assert refused.value.request_id == refused.value.headers["x-request-id"]
    with pytest.raises(nimbus_os.ValidationError) as practitioner:
        live.run(client.practitioners.create({"first_name": "Ada"}))
    assert practitioner.value.status == 400
    assert "npi" in [one.field for one in practitioner.value.fields]
    with pytest.raises(nimbus_os.NotFoundError):
        live.run(client.orders.retrieve("ord_0000000000000000000000"))
    with nimbus_os.Nimbus(seed["keys"]["pharmacy_partner"], base_url=seed["url"]) as limited:
        with pytest.raises(nimbus_os.PermissionDeniedError):
            limited.patients.list()
    with nimbus_os.Nimbus("dev_nobody", base_url=seed["url"]) as stranger:
        with pytest.raises(nimbus_os.AuthenticationError):
            stranger.clinic.retrieve()


def test_pages_are_turned_on_both_apis(live: Live, seed: Dict[str, Any]) -> None:
    client = live.client
    for _ in range(3):
        live.prescribe(do_not_fill=True)
    ids = [order["id"] for order in live.items(client.orders.list(patientId=seed["patient_id"], limit=1))]
    others = live.items(client.medication_orders.list(patient_id=seed["patient_id"], limit=2))
    assert len(ids) == len(set(ids)) == len(others) >= 4
    page = live.run(client.orders.list(patientId=seed["patient_id"], limit=2))
    assert [order["id"] for order in page.data] == ids[:2]
    assert [order["id"] for order in live.run(page.next_page()).data] == ids[2:4]
    delivered = live.items(client.orders.list(patientId=seed["patient_id"], status="delivered"))
    assert delivered and {order["status"] for order in delivered} == {"delivered"}


def test_what_was_read_is_not_read_again_and_not_overwritten_unseen(live: Live, seed: Dict[str, Any]) -> None:
    client, patient = live.client, seed["patient_id"]
    seen: List[nimbus_os.ResponseInfo] = []
    live.run(client.patients.retrieve(patient, options={"on_response": seen.append}))
    etag = seen[0].etag
    with pytest.raises(nimbus_os.NotModifiedError):
        live.run(client.patients.retrieve(patient, options={"if_none_match": etag}))
    notes = f"Prefers mornings, {uuid.uuid4()}"
    changed = live.run(client.patients.update(patient, {"notes": notes}, options={"if_match": etag}))
    assert changed["notes"] == notes
    with pytest.raises(nimbus_os.PreconditionFailedError):
        live.run(client.patients.update(patient, {"notes": "No"}, options={"if_match": etag}))


def test_an_image_goes_there_and_back(live: Live, seed: Dict[str, Any]) -> None:
    practitioners, id = live.client.practitioners, seed["practitioner_id"]
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path d="M0 0h8"/></svg>'
    live.run(practitioners.put_signature(id, svg, "image/svg+xml"))
    assert live.run(practitioners.retrieve_signature(id)) == svg
    live.run(practitioners.delete_signature(id))
    with pytest.raises(nimbus_os.NotFoundError):
        live.run(practitioners.retrieve_signature(id))


def test_services_have_prices_and_what_is_said_of_them_all(live: Live, seed: Dict[str, Any]) -> None:
    carriers = live.run(live.client.carriers.list())["carriers"]
    (ups,) = [carrier["id"] for carrier in carriers if carrier["name"] == "UPS"]
    services = live.run(live.client.carriers.services(ups, patientId=seed["patient_id"]))
    assert services["patientState"] == "Texas"
    assert "ups_ground" in [service["id"] for service in services["data"]]


def test_a_name_and_a_birth_date_are_in_no_log(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found = live.items(live.client.patients.list(first_name="Jamie", last_name="Rivera", dob="1988-04-12"))
    assert [patient["last_name"] for patient in found] == ["Rivera"]
    assert "httpx" in {record.name for record in caplog.records}
    assert not re.search(f"Rivera|Jamie|1988-04-12|{live.seed['keys']['integration']}", caplog.text)
