/** The clinic's API keys. */

import type { ApiKey, KeyNetworksBody, KeyRotation, ListOwnKeysQuery, NewApiKey } from "../generated/partner.js";
import type { RequestOptions } from "../options.js";
import type { PagePromise } from "../pagination.js";
import type { ApiPromise } from "../promise.js";
import { PartnerResource } from "../resource.js";
import { path } from "../transport.js";

/** API keys, which their own clinic can rotate, confine and revoke. */
export class Keys extends PartnerResource {
  /** Newest first, without the secrets. */
  list(query: ListOwnKeysQuery = {}, options?: RequestOptions): PagePromise<ApiKey> {
    return this.paged("listOwnKeys", "/keys", { query, options });
  }

  /** A new key, shown once; the one before works too for a while. */
  rotate(keyId: string, body: KeyRotation = {}, options?: RequestOptions): ApiPromise<NewApiKey> {
    return this.send("rotateOwnKey", "POST", path`/keys/${keyId}/rotate`, { json: body, options });
  }

  /** The networks from which the key may be used. */
  confine(keyId: string, body: KeyNetworksBody, options?: RequestOptions): ApiPromise<ApiKey> {
    return this.send("confineOwnKey", "PUT", path`/keys/${keyId}/networks`, { json: body, options });
  }

  /** At once and for good. */
  revoke(keyId: string, options?: RequestOptions): ApiPromise<ApiKey> {
    return this.send("revokeOwnKey", "POST", path`/keys/${keyId}/revoke`, { options });
  }
}
