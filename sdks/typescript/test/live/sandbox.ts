/** The sandbox that `tests/sdks/run.py` has started, and a receiver of its webhooks. */

import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

import { Nimbus } from "@nimbus-os/sdk";

interface Seed {
  readonly url: string;
  readonly keys: { readonly integration: string; readonly pharmacy_partner: string };
  readonly clinic_id: string;
  readonly medication_request_id: string;
  readonly patient_id: string;
  readonly practitioner_id: string;
  readonly prescription_id: string;
}

export const seed = JSON.parse(process.env["NIMBUS_TEST_SANDBOX"] ?? "null") as Seed;
export const nimbus = new Nimbus({ apiKey: seed.keys.integration, baseUrl: seed.url });

export const shippingAddress = { street1: "123 Main St", city: "Austin", state: "TX", zip: "78701" };

/** A medication request that is kept on file, or filled at once. */
export async function prescribe(doNotFill: boolean) {
  return nimbus.medicationOrders.create({
    clinic_id: seed.clinic_id,
    patient_id: seed.patient_id,
    practitioner_id: seed.practitioner_id,
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
        do_not_fill: doNotFill,
      },
    ],
  });
}

export async function prescriptionOnFile(): Promise<string> {
  const [line] = (await prescribe(true)).medications;
  if (line === undefined) throw new Error("an order without a line");
  return line.prescription_id;
}

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Takes webhooks on a free port; `next` waits for one. */
export async function receiver() {
  const waiting: ((received: Received) => void)[] = [];
  const arrived: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(200).end();
      const received = { headers: request.headers, body: Buffer.concat(chunks) };
      const waiter = waiting.shift();
      if (waiter === undefined) arrived.push(received);
      else waiter(received);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    next: () => {
      const received = arrived.shift();
      return received ? Promise.resolve(received) : new Promise<Received>((resolve) => waiting.push(resolve));
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
