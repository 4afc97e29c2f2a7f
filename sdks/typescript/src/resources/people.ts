/** The clinic of the key, its practitioners and its patients. */

import type {
  Clinic,
  ClinicsBody,
  Empty,
  ListPatientsQuery,
  ListPractitionersQuery,
  Patient,
  PatientClinics,
  PatientCreate,
  PatientCreated,
  PatientUpdate,
  Practitioner,
  PractitionerClinics,
  PractitionerCreate,
  PractitionerCreated,
  PractitionerUpdate,
} from "../generated/partner.js";
import type { RequestOptions } from "../options.js";
import type { PagePromise } from "../pagination.js";
import type { ApiPromise } from "../promise.js";
import { PartnerResource } from "../resource.js";
import { path } from "../transport.js";

/** The key's clinic. */
export class Clinics extends PartnerResource {
  /** With its environment, its approval and the partner's other clinics. */
  retrieve(options?: RequestOptions): ApiPromise<Clinic> {
    return this.send("getClinic", "GET", "/clinic", { options });
  }
}

/** Who prescribes. */
export class Practitioners extends PartnerResource {
  /** The same NPI in the same clinic answers the practitioner there is, with `duplicate: true`. */
  create(body: PractitionerCreate, options?: RequestOptions): ApiPromise<PractitionerCreated> {
    return this.send("createPractitioner", "POST", "/practitioner", { json: body, options });
  }

  /** Newest first. */
  list(query: ListPractitionersQuery = {}, options?: RequestOptions): PagePromise<Practitioner> {
    return this.paged("listPractitioners", "/practitioner", { query, options });
  }

  retrieve(practitionerId: string, options?: RequestOptions): ApiPromise<Practitioner> {
    return this.send("getPractitioner", "GET", path`/practitioner/${practitionerId}`, { options });
  }

  /** Changes what is given. */
  update(practitionerId: string, body: PractitionerUpdate, options?: RequestOptions): ApiPromise<Practitioner> {
    return this.send("updatePractitioner", "PATCH", path`/practitioner/${practitionerId}`, { json: body, options });
  }

  /** Shares the practitioner with other clinics of the partner. */
  assign(practitionerId: string, body: ClinicsBody, options?: RequestOptions): ApiPromise<PractitionerClinics> {
    return this.send("assignPractitioner", "POST", path`/practitioner/${practitionerId}/clinics`, { json: body, options });
  }

  /** Takes the practitioner back from other clinics. */
  unassign(practitionerId: string, body: ClinicsBody, options?: RequestOptions): ApiPromise<PractitionerClinics> {
    return this.send("unassignPractitioner", "DELETE", path`/practitioner/${practitionerId}/clinics`, { json: body, options });
  }

  /** The image on file. */
  retrieveSignature(practitionerId: string, options?: RequestOptions): ApiPromise<Uint8Array> {
    return this.bytes("getPractitionerSignature", path`/practitioner/${practitionerId}/signature`, { options });
  }

  /** Puts an image on file, PNG or SVG, up to 256 KiB. */
  putSignature(
    practitionerId: string,
    image: Uint8Array, contentType: "image/png" | "image/svg+xml",
    options?: RequestOptions,
  ): ApiPromise<Empty> {
    return this.send("putPractitionerSignature", "PUT", path`/practitioner/${practitionerId}/signature`, { bytes: { data: image, contentType }, options });
  }

  deleteSignature(practitionerId: string, options?: RequestOptions): ApiPromise<Empty> {
    return this.send("deletePractitionerSignature", "DELETE", path`/practitioner/${practitionerId}/signature`, { options });
  }
}

/** Who is treated. */
export class Patients extends PartnerResource {
  create(body: PatientCreate, options?: RequestOptions): ApiPromise<PatientCreated> {
    return this.send("createPatient", "POST", "/patient", { json: body, options });
  }

  /** Newest first, or those of a name and a birth date, both of which match exactly. */
  list(query: ListPatientsQuery = {}, options?: RequestOptions): PagePromise<Patient> {
    return this.paged("listPatients", "/patient", { query, options });
  }

  retrieve(patientId: string, options?: RequestOptions): ApiPromise<Patient> {
    return this.send("getPatient", "GET", path`/patient/${patientId}`, { options });
  }

  /** Changes what is given. */
  update(patientId: string, body: PatientUpdate, options?: RequestOptions): ApiPromise<Patient> {
    return this.send("updatePatient", "PATCH", path`/patient/${patientId}`, { json: body, options });
  }

  /** Shares the patient with other clinics of the partner. */
  assign(patientId: string, body: ClinicsBody, options?: RequestOptions): ApiPromise<PatientClinics> {
    return this.send("assignPatient", "POST", path`/patient/${patientId}/clinics`, { json: body, options });
  }

  /** Takes the patient back from other clinics. */
  unassign(patientId: string, body: ClinicsBody, options?: RequestOptions): ApiPromise<PatientClinics> {
    return this.send("unassignPatient", "DELETE", path`/patient/${patientId}/clinics`, { json: body, options });
  }
}
