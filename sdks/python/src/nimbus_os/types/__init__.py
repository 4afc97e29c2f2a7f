"""The types of each API, by their names in its OpenAPI document: generated, as typed dictionaries."""

from . import orders, partner

__all__ = ["orders", "partner"]
