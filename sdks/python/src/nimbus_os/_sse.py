"""Server-sent events: what a connection says."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping

from ._errors import ApiConnectionError

#: A comment line comes every 15 seconds: after three of them have failed to, the connection is dead.
IDLE_SECONDS = 45.0
# More than any event is long.
_LONGEST_MESSAGE = 16 * 1024 * 1024
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True)
class ServerSentEvent:
    """One message of a stream. `fields` has those that are not of the standard, such as `webhook-signature`."""

    id: str
    event: str
    data: str
    fields: Mapping[str, str]


class Parser:
    """Reads the lines of a stream as the HTML standard has them ("9.2.6 Interpreting an event stream")."""

    def __init__(self) -> None:
        #: What the server asks to wait before coming back.
        self.retry_seconds = 1.0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._id = ""
        self._event = ""
        self._data: List[str] = []
        self._fields: Dict[str, str] = {}

    def read(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """The messages that these bytes complete."""
        *lines, self._rest = _LINE_END.split(self._rest + self._decoder.decode(chunk))
        if len(self._rest) > _LONGEST_MESSAGE:
            raise ApiConnectionError("A message of the stream is too long.")
        for line in lines:
            if line:
                self._field(line)
            else:
                yield from self._dispatch()

    def _dispatch(self) -> Iterator[ServerSentEvent]:
        data, message = self._data, ServerSentEvent(self._id, self._event, "\n".join(self._data), self._fields)
        self._event, self._data, self._fields = "", [], {}
        if data:
            yield message

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self._id = value
        elif name == "retry":
            if re.fullmatch("[0-9]{1,6}", value):
                self.retry_seconds = int(value) / 1000
        elif name:
            self._fields[name] = value
