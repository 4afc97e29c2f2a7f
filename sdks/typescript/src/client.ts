/** The client: one for all resources of both APIs. */

import { settingsOf, type ClientOptions } from "./options.js";
import { Events, OrderEvents } from "./resources/events.js";
import { Keys } from "./resources/keys.js";
import { MedicationOrders, MedicationRequests, Prescriptions, RefillRequests } from "./resources/medication.js";
import { Orders, PatientPrescriptions, Refills } from "./resources/orders.js";
import { Clinics, Patients, Practitioners } from "./resources/people.js";
import { Sandbox } from "./resources/sandbox.js";
import { Carriers, Shipments } from "./resources/shipping.js";
import { WebhookEndpoints } from "./resources/webhook-endpoints.js";
import { Webhooks } from "./resources/webhooks.js";
import { Transport } from "./transport.js";
import { PublicKeys } from "./webhooks/public-keys.js";

export class Nimbus {
  // The orders API.
  readonly orders: Orders;
  readonly refills: Refills;
  readonly patientPrescriptions: PatientPrescriptions;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly orderEvents: OrderEvents;
  // The partner API.
  readonly clinic: Clinics;
  readonly practitioners: Practitioners;
  readonly patients: Patients;
  readonly medicationOrders: MedicationOrders;
  readonly medicationRequests: MedicationRequests;
  readonly prescriptions: Prescriptions;
  readonly refillRequests: RefillRequests;
  readonly carriers: Carriers;
  readonly shipments: Shipments;
  readonly webhooks: Webhooks;
  readonly events: Events;
  readonly keys: Keys;
  readonly sandbox: Sandbox;
  /** Where requests go. */
  readonly baseUrl: string;

  constructor(options: ClientOptions = {}) {
    const settings = settingsOf(options);
    const transport = new Transport(settings);
    const publicKeys = new PublicKeys(transport);
    this.baseUrl = settings.baseUrl;
    this.orders = new Orders(transport);
    this.refills = new Refills(transport);
    this.patientPrescriptions = new PatientPrescriptions(transport);
    this.webhookEndpoints = new WebhookEndpoints(transport, publicKeys);
    this.orderEvents = new OrderEvents(transport, settings);
    this.clinic = new Clinics(transport);
    this.practitioners = new Practitioners(transport);
    this.patients = new Patients(transport);
    this.medicationOrders = new MedicationOrders(transport);
    this.medicationRequests = new MedicationRequests(transport);
    this.prescriptions = new Prescriptions(transport);
    this.refillRequests = new RefillRequests(transport);
    this.carriers = new Carriers(transport);
    this.shipments = new Shipments(transport);
    this.webhooks = new Webhooks(transport, publicKeys);
    this.events = new Events(transport, settings);
    this.keys = new Keys(transport);
    this.sandbox = new Sandbox(transport);
  }
}
