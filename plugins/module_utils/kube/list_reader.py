# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list of the Kubernetes API, one item at a time: 5,000 nodes are 50 MB of JSON, and never more than one of them is
wanted in memory.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

#: Characters that one item may have at most.
LARGEST = 8 << 20
#: Items of a list: no cluster has more nodes (Kubernetes supports 5,000).
MOST = 100_000
_SPACE = " \t\r\n"
_SCALAR = "0123456789+-.eEtrufalsn"


class ListReader:
    """Reads the JSON object ``{"kind": …, "metadata": {…}, "items": […]}`` from ``pieces`` of UTF-8, in whatever order
    its keys are. After ``items`` has ended, ``fields`` has the other keys."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.fields: dict[str, Any] = {}
        self._pieces = pieces
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._parse = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = self._count = 0

    def items(self) -> Iterator[Any]:
        """The list's items, decoded. Raises ValueError for what is not such an object, or ends too early, and what the
        pieces raise."""
        self._expect("{")
        while self._peek() != "}":
            key = self._value()
            self._expect(":")
            if key == "items" and self._peek() == "[":
                self._at += 1
                while self._peek() != "]":
                    self._count += 1
                    if self._count > MOST:
                        raise ValueError(f"the list has more than {MOST} items on a page")
                    yield self._value()
                    self._comma("]")
                self._at += 1
            else:
                self.fields[str(key)] = self._value()
            self._comma("}")
        for _rest in self._pieces:
            pass  # what ends the answer must be read, or the next one would begin with it

    def _peek(self) -> str:
        """The next character that is not a space, not taken."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            self._more()

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise ValueError(f"{self._text[self._at : self._at + 40]!r} stands where {character!r} is expected")
        self._at += 1

    def _comma(self, end: str) -> None:
        if self._peek() != end:
            self._expect(",")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
                # a number may go on in the next piece
                if end < len(self._text) or self._text[end - 1] not in _SCALAR:
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if self._text[self._at] not in '{["' + _SCALAR or len(self._text) - self._at > LARGEST:
                    raise
            self._more()

    def _more(self) -> None:
        """Takes more pieces in, and lets go of what was read. An item that comes in drips is parsed again only when a
        quarter more of it is there: its length, not its pieces, decides what it costs."""
        left = len(self._text) - self._at
        parts = [self._text[self._at :]]
        wanted, got = max(1, left // 4), 0
        while got < wanted:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(self._decode(piece))
            got += len(parts[-1])
        if not got:
            raise ValueError("the list ends in the middle")
        self._text = "".join(parts)
        self._at = 0
