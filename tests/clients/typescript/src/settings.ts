// What the program is told about the sandbox, by its environment.

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
  return value;
}

export const settings = {
  url: setting("NIMBUS_URL"),
  apiKey: setting("NIMBUS_API_KEY"),
  opsToken: setting("NIMBUS_OPS_TOKEN"),
  clinicId: setting("NIMBUS_CLINIC_ID"),
  practitionerId: setting("NIMBUS_PRACTITIONER_ID"),
  patientId: setting("NIMBUS_PATIENT_ID"),
  prescriptionId: setting("NIMBUS_PRESCRIPTION_ID"),
};
