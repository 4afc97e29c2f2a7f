"""Ids in their two texts: a UUID, and the orders API's prefix with 22 digits of base62, the most significant first."""

import uuid

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def prefixed(prefix, text):
    rest, digits = uuid.UUID(text).int, ""
    for _ in range(22):
        rest, digit = divmod(rest, 62)
        digits = DIGITS[digit] + digits
    return f"{prefix}_{digits}"


def plain(text):
    number = 0
    for digit in text.rpartition("_")[2]:
        number = number * 62 + DIGITS.index(digit)
    return str(uuid.UUID(int=number))
