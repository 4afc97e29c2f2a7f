"""What a seeded sandbox is given besides, so that every operation has something to succeed on.

Each list becomes a dictionary of the configuration, by its name: `path.id` of `verifyOrder` is drawn from
`received`, and so on.
"""

import ids

# The steps of staff from an accepted order to a filled one.
STEPS = ["verify", "submit", "acknowledge", "start-fill", "fill"]
STAGES = ["received", "verified", "submitted", "acknowledged", "filling", "filled"]
# Orders at each stage: acts move them on, and each act is tried more than once.
EACH = 5
# The most lines that an order may have.
MOST_LINES = 25
EXTERNAL = "/api/external"


def fill(sandbox):
    """Makes people, orders at every stage, parcels, refills and webhooks; their ids by kind."""
    maker = Maker(sandbox)
    seed = sandbox.seed
    lists = {
        "clinic": [seed["clinic_id"]],
        "sister_clinic": [maker.sister_clinic()],
        "patient": [seed["patient_id"]] + [maker.patient(f"Case{letter}") for letter in "ABC"],
        "practitioner": [seed["practitioner_id"]],
        "spare_practitioner": [maker.practitioner(letter) for letter in "DEFGHIJK"],
        "active_practitioner": [maker.active_practitioner(letter) for letter in "LMNOPQRS"],
    }
    for stage in STAGES:
        lists[stage] = [maker.order_at(stage)["medication_order_id"] for _ in range(EACH)]
    lists["held"] = [maker.held() for _ in range(EACH)]
    lists["cancelling"] = [maker.cancelling() for _ in range(2 * EACH)]
    lists["lost"] = [maker.parcel("lost")["medication_order_id"] for _ in range(EACH)]
    delivered = [maker.parcel("delivered") for _ in range(2)]
    lists["shipment"] = [maker.parcel(None)["shipment_id"] for _ in range(2 * EACH)]
    lists["order"] = [seed["medication_order_id"]] + [order for name in STAGES for order in lists[name]]
    lists["request"] = [seed["medication_request_id"]] + [parcel["medication_request_id"] for parcel in delivered]
    fills = [line for _ in range(4) for line in maker.parcel("delivered", lines=MOST_LINES)["medications"]]
    sandbox.age([line["id"] for line in fills], days=60)
    lists["refill"] = [maker.refill(line["id"]) for line in fills[:EACH]]
    in_review = fills[EACH : 3 * EACH]
    lists["pending_refill"] = [maker.pending_refill(line["prescription_id"]) for line in in_review]
    lists["refillable"] = [line["id"] for line in fills[3 * EACH :]]
    lists["refillable_prescription"] = [line["prescription_id"] for line in fills[3 * EACH :]]
    lists["on_file"] = [prescription for _ in range(3) for prescription in maker.on_file()]
    lists["prescription"] = [seed["prescription_id"]] + maker.prescriptions[:EACH]
    lists["spare_prescription"] = maker.prescriptions[EACH : 4 * EACH]
    lists["webhook"] = [maker.webhook(number) for number in range(EACH)]
    lists["spare_webhook"] = [maker.webhook(number) for number in range(EACH, 3 * EACH)]
    lists["orders_webhook"] = [maker.orders_webhook(number) for number in range(EACH)]
    lists["spare_partner"] = [maker.partner_and_agreements(lists)]
    lists["spare_key"] = [maker.key() for _ in range(3 * EACH)]
    lists["spare_orders_webhook"] = [maker.orders_webhook(number) for number in range(EACH, 3 * EACH)]
    return lists


class Maker:
    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.seed = sandbox.seed
        self.prescriptions = []

    def partner(self, path, body, method="POST"):
        return self.sandbox.partner(method, EXTERNAL + path, body)["data"]

    def staff(self, path, body=None, method="POST"):
        return self.sandbox.staff(method, "/api" + path, body)["data"]

    def patient(self, last_name):
        body = {
            "first_name": "Sample",
            "last_name": last_name,
            "gender": "unknown",
            "dob": "1988-04-12",
            "practitioner_id": self.seed["practitioner_id"],
            "assigned_clinic": self.seed["clinic_id"],
            "addresses": [
                {"addressLine1": "456 Oak Ave", "city": "Austin", "state": "TX", "postalCode": "78702"}
            ],
        }
        return self.partner("/patient", body)["patient_id"]

    def sister_clinic(self):
        """Another clinic of the partner, to which people can be assigned."""
        clinics = self.sandbox.command("admin", "clinic", "list")
        partner = next(clinic["partner_id"] for clinic in clinics if clinic["id"] == self.seed["clinic_id"])
        return self.sandbox.command("admin", "clinic", "create", "--partner", partner, "Lakeside Clinic")["id"]

    def partner_and_agreements(self, lists):
        """Another partner, which may come to any end; its agreements join the lists."""
        partner = self.staff("/admin/partners", {"name": "Example Health"})["partner_id"]
        agreement = {"effective_on": "2026-01-01", "document_hash": "00" * 32}
        path = f"/admin/partners/{partner}/baa"
        lists["baa"] = [self.staff(path, agreement)["baa_id"] for _ in range(EACH)]
        return partner

    def key(self):
        """A key that nobody calls with."""
        path = f"/admin/clinics/{self.seed['clinic_id']}/keys"
        return self.staff(path, {"name": "Report", "scopes": ["orders:read"]})["key_id"]

    def practitioner(self, letter):
        body = {
            "first_name": "Sample",
            "last_name": f"Vet{letter}",
            "email": f"vet.{letter.lower()}@example.com",
            "is_veterinarian": True,
            "license_number": f"V{letter}100",
            "license_state": "TX",
            "assigned_clinic": self.seed["clinic_id"],
            "address_line_1": "100 Congress Ave",
            "city": "Austin",
            "state_code": "TX",
            "zip_code": "78701",
        }
        return self.partner("/practitioner", body)["practitioner_id"]

    def active_practitioner(self, letter):
        practitioner = self.practitioner(letter)
        self.staff(f"/admin/practitioners/{practitioner}/activate", {})
        return practitioner

    def order(self, lines=1, **more):
        line = {
            "medication": "Lisinopril",
            "dose": "10mg",
            "quantity": 30,
            "unit_of_measure": "tablet",
            "refills": 3,
            "direction": "Take one tablet by mouth daily",
            "days_supply": 30,
        } | more
        body = {
            "clinic_id": self.seed["clinic_id"],
            "patient_id": self.seed["patient_id"],
            "practitioner_id": self.seed["practitioner_id"],
            "carrier_id": "se-11226",
            "service_id": "ups_ground",
            "medication_requests": [line] * lines,
        }
        made = self.partner("/medication-order", body)
        self.prescriptions.append(made["medications"][0]["prescription_id"])
        return made

    def on_file(self):
        """Prescriptions that are kept for later: each may be ordered once, and then refilled."""
        medications = self.order(MOST_LINES, do_not_fill=True)["medications"]
        return [line["prescription_id"] for line in medications]

    def act(self, order, act, body=None):
        return self.staff(f"/pharmacy/orders/{order}/{act}", body or {})

    def order_at(self, stage, lines=1):
        made = self.order(lines)
        for step in STEPS[: STAGES.index(stage)]:
            self.act(made["medication_order_id"], step)
        return made

    def held(self):
        order = self.order_at("verified")["medication_order_id"]
        self.act(order, "hold", {"reason": "clarification", "note": "Please check the strength"})
        return order

    def cancelling(self):
        """An order whose partner asks for a cancellation that staff have to answer."""
        order = self.order_at("filled")["medication_order_id"]
        self.partner(f"/medication-order/{order}/cancel", {"reason": "No longer needed"})
        return order

    def parcel(self, status, lines=1):
        made = self.order_at("filled", lines)
        order = made["medication_order_id"]
        body = {"medication_orders": [order], "carrier_id": "se-11226", "service_id": "ups_ground"}
        shipment = self.staff("/pharmacy/shipments", body)["shipment_id"]
        for step in ["in_transit", status] if status else []:
            self.staff(f"/pharmacy/shipments/{shipment}/status", {"status": step}, "PATCH")
        return made | {"shipment_id": shipment}

    def refill(self, request):
        return self.partner("/refill-request", {"medication_request_id": request})["refill_request_id"]

    def pending_refill(self, prescription):
        """A refill of more than was prescribed, which waits for a pharmacist."""
        body = {
            "prescriptionId": prescription,
            "patientId": self.seed["patient_id"],
            "requestedQuantity": 35,
        }
        return ids.plain(self.sandbox.partner("POST", "/refills", body)["id"])

    def webhook(self, number):
        # Nobody listens: deliveries fail, and nothing leaves this machine.
        body = {"clinic_id": self.seed["clinic_id"], "webhook_url": f"http://127.0.0.1:65000/{number}"}
        return self.partner("/webhook", body)["webhook_id"]

    def orders_webhook(self, number):
        """A webhook of the orders API, which the partner API does not see."""
        body = {"url": f"http://127.0.0.1:65000/{number}"}
        return ids.plain(self.sandbox.partner("POST", "/webhooks", body)["id"])
