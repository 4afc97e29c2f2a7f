// Whether a delivery is from Nimbus, and is not an old one sent again: Standard Webhooks, v1 (HMAC-SHA256).

import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE_SECONDS = 300;

/** `secret` is the whole `whsec_…`, `body` the bytes as they arrived. */
export function isGenuine(secret, headers, body, now = Date.now() / 1000) {
  const { "webhook-id": id = "", "webhook-timestamp": timestamp = "", "webhook-signature": signatures = "" } = headers;
  if (!/^\d+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false;

  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const wanted = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // Several are separated by spaces: while a secret is rotated, the old one and the new one sign.
  return signatures.split(" ").some((signature) => {
    const [version, text = ""] = signature.split(",");
    const made = Buffer.from(text, "base64");
    return version === "v1" && made.length === wanted.length && timingSafeEqual(made, wanted);
  });
}
