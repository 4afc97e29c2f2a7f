/** The public keys of endpoints that sign with ed25519, as the server publishes them. */

import { jsonOf } from "../resource.js";
import type { Transport } from "../transport.js";

/** As long as the server says that the set may be kept. */
const KEPT_MS = 300_000;
/** A client knows no more endpoints than this at a time. */
const MOST_KEPT = 1_000;

interface KeySet {
  readonly keys: readonly { readonly kty: string; readonly crv: string; readonly x: string }[];
}

export class PublicKeys {
  readonly #transport: Transport;
  readonly #kept = new Map<string, { readonly keys: string[]; readonly untilMs: number }>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The public keys `whpk_…` by which an endpoint signs now; read again after five minutes. */
  async of(webhookId: string): Promise<string[]> {
    const kept = this.#kept.get(webhookId);
    if (kept !== undefined && kept.untilMs > Date.now()) return kept.keys;
    const raw = await this.#transport.send({
      operation: "listWebhookKeys",
      method: "GET",
      path: "/.well-known/webhook-keys.json",
      query: { webhook_id: webhookId },
    });
    const keys = (jsonOf(raw) as KeySet).keys
      .filter((key) => key.kty === "OKP" && key.crv === "Ed25519")
      .map((key) => `whpk_${Buffer.from(key.x, "base64url").toString("base64")}`);
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    this.#kept.set(webhookId, { keys, untilMs: Date.now() + KEPT_MS });
    return keys;
  }
}
