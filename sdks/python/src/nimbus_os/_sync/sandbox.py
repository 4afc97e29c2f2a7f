# Generated from _async by sdks/generate/generate.py.
"""What only a sandbox has."""

from __future__ import annotations

from typing import Optional

from .._options import RequestOptions
from .._request import path
from ..types.partner import (
    Advance,
    Clock,
    ClockMove,
    EventTrigger,
    Fixtures,
    OrderAdvance,
    Reset,
    Trigger,
)
from ._resource import PartnerResource


class Sandbox(PartnerResource):
    """The controls of a sandbox; in production they are `NotFoundError`."""

    def fixtures(self, *, options: Optional[RequestOptions] = None) -> Fixtures:
        """Magic values, ids that are ready, the clinic's time."""
        reply: Fixtures = self._send("listSandboxFixtures", "GET", "/sandbox/fixtures", options=options)
        return reply

    def move_clock(self, body: ClockMove, *, options: Optional[RequestOptions] = None) -> Clock:
        """Moves the clinic's time forward; what falls due on the way is done before the reply."""
        reply: Clock = self._send("moveSandboxClock", "POST", "/sandbox/clock", body=body, options=options)
        return reply

    def advance_order(
        self, order_id: str, body: Optional[OrderAdvance] = None, *, options: Optional[RequestOptions] = None
    ) -> Advance:
        """Has a simulated pharmacy and carrier take the next step, or all of them up to a state."""
        reply: Advance = self._send(
            "advanceSandboxOrder",
            "POST",
            path("/sandbox/orders/{}/advance", order_id),
            body=body or {},
            options=options,
        )
        return reply

    def trigger(self, body: EventTrigger, *, options: Optional[RequestOptions] = None) -> Trigger:
        """Sends a sample of an event to the endpoints that subscribe to it."""
        reply: Trigger = self._send("triggerSandboxEvent", "POST", "/sandbox/trigger", body=body, options=options)
        return reply

    def reset(self, *, options: Optional[RequestOptions] = None) -> Reset:
        """Deletes the clinic's people and orders, and makes some anew."""
        reply: Reset = self._send("resetSandbox", "POST", "/sandbox/reset", options=options)
        return reply
