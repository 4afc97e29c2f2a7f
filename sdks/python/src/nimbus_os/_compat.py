"""What `typing` has since Python 3.11, and `typing_extensions` for those before."""

import sys

if sys.version_info >= (3, 11):
    from typing import NotRequired, TypeAlias, TypedDict, Unpack  # novermin
else:
    from typing_extensions import NotRequired, TypeAlias, TypedDict, Unpack

__all__ = ["NotRequired", "TypeAlias", "TypedDict", "Unpack"]
