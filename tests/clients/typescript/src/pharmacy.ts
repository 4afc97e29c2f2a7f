// The other sides of the story, by plain fetch: the clinic's prescriptions, and the pharmacy's staff.

import { settings } from "./settings.js";

async function send(path: string, method: string, headers: Record<string, string>, body: object): Promise<string> {
  const reply = await fetch(settings.url + path, {
    method,
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
  return text;
}

/** The value of a name in a JSON text; the names asked for here stand once. */
function valueOf(text: string, name: string): string {
  const found = new RegExp(`"${name}":"([^"]+)"`).exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${name} in ${text}`);
  return found;
}

function staff(path: string, body: object, method = "POST"): Promise<string> {
  return send(`/api/pharmacy${path}`, method, { Authorization: `Bearer ${settings.opsToken}` }, body);
}

/** A prescription that is kept on file, not filled. Its id. */
export async function prescriptionOnFile(): Promise<string> {
  const reply = await send("/api/external/medication-order", "POST", { "X-API-Key": settings.apiKey }, {
    clinic_id: settings.clinicId,
    patient_id: settings.patientId,
    practitioner_id: settings.practitionerId,
    carrier_id: "se-11226",
    service_id: "ups_ground",
    medication_requests: [
      {
        medication: "Lisinopril",
        dose: "10mg",
        unit_of_measure: "tablet",
        quantity: 30,
        direction: "Take one tablet by mouth daily",
        refills: 3,
        days_supply: 30,
        do_not_fill: true,
      },
    ],
  });
  return valueOf(reply, "prescription_id");
}

/** Staff work the order and hand its parcel to the carrier. The parcel's id. */
export async function ship(orderId: string): Promise<string> {
  for (const step of ["verify", "submit", "acknowledge", "start-fill", "fill"]) {
    await staff(`/orders/${orderId}/${step}`, {});
  }
  const parcel = { medication_orders: [orderId], carrier_id: "se-11226", service_id: "ups_ground" };
  const shipment = valueOf(await staff("/shipments", parcel), "shipment_id");
  await staff(`/shipments/${shipment}/status`, { status: "in_transit" }, "PATCH");
  return shipment;
}

export async function deliver(shipmentId: string): Promise<void> {
  await staff(`/shipments/${shipmentId}/status`, { status: "delivered" }, "PATCH");
}
