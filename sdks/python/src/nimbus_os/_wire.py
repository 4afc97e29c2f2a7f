"""A page as it stands in a reply of either API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional


@dataclass(frozen=True)
class WirePage:
    data: List[Any]
    next_cursor: Optional[str]
    unreadable: List[str]

    @staticmethod
    def of(body: Any) -> WirePage:
        cursor = body["nextCursor"] if "nextCursor" in body else body.get("next_cursor")
        return WirePage(body["data"], cursor, body.get("unreadable", []))
