/** What only a sandbox has. */

import type {
  Advance,
  Clock,
  ClockMove,
  EventTrigger,
  Fixtures,
  OrderAdvance,
  Reset,
  Trigger,
} from "../generated/partner.js";
import type { RequestOptions } from "../options.js";
import type { ApiPromise } from "../promise.js";
import { PartnerResource } from "../resource.js";
import { path } from "../transport.js";

/** The controls of a sandbox; in production they are `NotFoundError`. */
export class Sandbox extends PartnerResource {
  /** Magic values, ids that are ready, the clinic's time. */
  fixtures(options?: RequestOptions): ApiPromise<Fixtures> {
    return this.send("listSandboxFixtures", "GET", "/sandbox/fixtures", { options });
  }

  /** Moves the clinic's time forward; what falls due on the way is done before the reply. */
  moveClock(body: ClockMove, options?: RequestOptions): ApiPromise<Clock> {
    return this.send("moveSandboxClock", "POST", "/sandbox/clock", { json: body, options });
  }

  /** Has a simulated pharmacy and carrier take the next step, or all of them up to a state. */
  advanceOrder(orderId: string, body: OrderAdvance = {}, options?: RequestOptions): ApiPromise<Advance> {
    return this.send("advanceSandboxOrder", "POST", path`/sandbox/orders/${orderId}/advance`, { json: body, options });
  }

  /** Sends a sample of an event to the endpoints that subscribe to it. */
  trigger(body: EventTrigger, options?: RequestOptions): ApiPromise<Trigger> {
    return this.send("triggerSandboxEvent", "POST", "/sandbox/trigger", { json: body, options });
  }

  /** Deletes the clinic's people and orders, and makes some anew. */
  reset(options?: RequestOptions): ApiPromise<Reset> {
    return this.send("resetSandbox", "POST", "/sandbox/reset", { options });
  }
}
