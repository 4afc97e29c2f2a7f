# Generated from _async by sdks/generate/generate.py.
"""The clinic of the key, its practitioners and its patients."""

from __future__ import annotations

from typing import Literal, Optional

from .._compat import Unpack
from .._options import RequestOptions
from .._request import path
from ..types.partner import (
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
)
from ._pages import Page
from ._resource import PartnerResource


class Clinics(PartnerResource):
    """The key's clinic."""

    def retrieve(self, *, options: Optional[RequestOptions] = None) -> Clinic:
        """With its environment, its approval and the partner's other clinics."""
        reply: Clinic = self._send("getClinic", "GET", "/clinic", options=options)
        return reply


class Practitioners(PartnerResource):
    """Who prescribes."""

    def create(self, body: PractitionerCreate, *, options: Optional[RequestOptions] = None) -> PractitionerCreated:
        """The same NPI in the same clinic answers the practitioner there is, with `duplicate: true`."""
        reply: PractitionerCreated = self._send(
            "createPractitioner", "POST", "/practitioner", body=body, options=options
        )
        return reply

    def list(
        self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListPractitionersQuery]
    ) -> Page[Practitioner]:
        """Newest first."""
        return self._paged("listPractitioners", "/practitioner", query=query, options=options)

    def retrieve(self, practitioner_id: str, *, options: Optional[RequestOptions] = None) -> Practitioner:
        reply: Practitioner = self._send(
            "getPractitioner", "GET", path("/practitioner/{}", practitioner_id), options=options
        )
        return reply

    def update(
        self, practitioner_id: str, body: PractitionerUpdate, *, options: Optional[RequestOptions] = None
    ) -> Practitioner:
        """Changes what is given."""
        reply: Practitioner = self._send(
            "updatePractitioner", "PATCH", path("/practitioner/{}", practitioner_id), body=body, options=options
        )
        return reply

    def assign(
        self, practitioner_id: str, body: ClinicsBody, *, options: Optional[RequestOptions] = None
    ) -> PractitionerClinics:
        """Shares the practitioner with other clinics of the partner."""
        reply: PractitionerClinics = self._send(
            "assignPractitioner", "POST", path("/practitioner/{}/clinics", practitioner_id), body=body, options=options
        )
        return reply

    def unassign(
        self, practitioner_id: str, body: ClinicsBody, *, options: Optional[RequestOptions] = None
    ) -> PractitionerClinics:
        """Takes the practitioner back from other clinics."""
        reply: PractitionerClinics = self._send(
            "unassignPractitioner",
            "DELETE",
            path("/practitioner/{}/clinics", practitioner_id),
            body=body,
            options=options,
        )
        return reply

    def retrieve_signature(self, practitioner_id: str, *, options: Optional[RequestOptions] = None) -> bytes:
        """The image on file."""
        return self._bytes(
            "getPractitionerSignature", path("/practitioner/{}/signature", practitioner_id), options=options
        )

    def put_signature(
        self,
        practitioner_id: str,
        image: bytes,
        content_type: Literal["image/png", "image/svg+xml"],
        *,
        options: Optional[RequestOptions] = None,
    ) -> Empty:
        """Puts an image on file, PNG or SVG, up to 256 KiB."""
        reply: Empty = self._send(
            "putPractitionerSignature",
            "PUT",
            path("/practitioner/{}/signature", practitioner_id),
            content=image,
            content_type=content_type,
            options=options,
        )
        return reply

    def delete_signature(self, practitioner_id: str, *, options: Optional[RequestOptions] = None) -> Empty:
        reply: Empty = self._send(
            "deletePractitionerSignature",
            "DELETE",
            path("/practitioner/{}/signature", practitioner_id),
            options=options,
        )
        return reply


class Patients(PartnerResource):
    """Who is treated."""

    def create(self, body: PatientCreate, *, options: Optional[RequestOptions] = None) -> PatientCreated:
        reply: PatientCreated = self._send("createPatient", "POST", "/patient", body=body, options=options)
        return reply

    def list(self, *, options: Optional[RequestOptions] = None, **query: Unpack[ListPatientsQuery]) -> Page[Patient]:
        """Newest first, or those of a name and a birth date, both of which match exactly."""
        return self._paged("listPatients", "/patient", query=query, options=options)

    def retrieve(self, patient_id: str, *, options: Optional[RequestOptions] = None) -> Patient:
        reply: Patient = self._send("getPatient", "GET", path("/patient/{}", patient_id), options=options)
        return reply

    def update(self, patient_id: str, body: PatientUpdate, *, options: Optional[RequestOptions] = None) -> Patient:
        """Changes what is given."""
        reply: Patient = self._send(
            "updatePatient", "PATCH", path("/patient/{}", patient_id), body=body, options=options
        )
        return reply

    def assign(self, patient_id: str, body: ClinicsBody, *, options: Optional[RequestOptions] = None) -> PatientClinics:
        """Shares the patient with other clinics of the partner."""
        reply: PatientClinics = self._send(
            "assignPatient", "POST", path("/patient/{}/clinics", patient_id), body=body, options=options
        )
        return reply

    def unassign(
        self, patient_id: str, body: ClinicsBody, *, options: Optional[RequestOptions] = None
    ) -> PatientClinics:
        """Takes the patient back from other clinics."""
        reply: PatientClinics = self._send(
            "unassignPatient", "DELETE", path("/patient/{}/clinics", patient_id), body=body, options=options
        )
        return reply
