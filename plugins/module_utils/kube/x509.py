# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's key and its request for a certificate, made where only Python is: the key never leaves the node.

ECDSA on the curve P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3) with SHA-256; the key as RFC 5915 writes it, the
request as RFC 2986 does, both in DER (X.690) and PEM (RFC 7468). Arithmetic in Python takes a time that depends on the
key: that is why this signs one request a year, about itself, and nothing that others send.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import NamedTuple

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int]

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _OBJECT, _UTF8 = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x0C
_EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
_PRIME256V1 = bytes.fromhex("2a8648ce3d030107")
_ECDSA_WITH_SHA256 = bytes.fromhex("2a8648ce3d040302")
_ORGANIZATION, _COMMON_NAME = bytes.fromhex("55040a"), bytes.fromhex("550403")


class CertificateError(ValueError):
    """A text is no key or certificate of the kind that this module makes; the text says what it is."""


class Key(NamedTuple):
    """A private key: its number, and the public point."""

    number: int
    point: _Point

    def public(self) -> bytes:
        """The public key as certificates carry it: SubjectPublicKeyInfo (RFC 5480)."""
        algorithm = _der(_SEQUENCE, _der(_OBJECT, _EC_PUBLIC_KEY), _der(_OBJECT, _PRIME256V1))
        return _der(_SEQUENCE, algorithm, _der(_BITS, b"\0" + _uncompressed(self.point)))

    def pem(self) -> str:
        """The key for a file that only root can read."""
        body = _der(
            _SEQUENCE,
            _number(1),
            _der(_OCTETS, self.number.to_bytes(32, "big")),
            _der(0xA0, _der(_OBJECT, _PRIME256V1)),
            _der(0xA1, _der(_BITS, b"\0" + _uncompressed(self.point))),
        )
        return _pem("EC PRIVATE KEY", body)


class Certificate(NamedTuple):
    """What matters here of a certificate: whose it is, until when (seconds since the epoch), and its public key."""

    common_name: str
    organizations: tuple[str, ...]
    expires: int
    public: bytes


def make_key() -> Key:
    """A new key."""
    number = _random()
    return Key(number, _times(number, _G))


def read_key(text: str) -> Key:
    """The key of a text that ``Key.pem`` made. Raises CertificateError."""
    body = _unpem(text, "EC PRIVATE KEY")
    head = bytes.fromhex("30770201010420")
    number = int.from_bytes(body[len(head) : len(head) + 32], "big")
    if not body.startswith(head) or not 0 < number < _N:
        raise CertificateError("the key is not one of the curve P-256 as RFC 5915 writes it")
    return Key(number, _times(number, _G))


def request(key: Key, common_name: str, organization: str) -> str:
    """A request (PEM) for a certificate of that subject, signed by the key."""
    subject = _der(
        _SEQUENCE,
        *(
            _der(_SET, _der(_SEQUENCE, _der(_OBJECT, kind), _der(_UTF8, value.encode())))
            for kind, value in ((_ORGANIZATION, organization), (_COMMON_NAME, common_name))
        ),
    )
    info = _der(_SEQUENCE, _number(0), subject, key.public(), _der(0xA0))
    algorithm = _der(_SEQUENCE, _der(_OBJECT, _ECDSA_WITH_SHA256))
    return _pem("CERTIFICATE REQUEST", _der(_SEQUENCE, info, algorithm, _der(_BITS, b"\0" + _sign(key, info))))


def read_certificate(text: str) -> Certificate:
    """The first certificate (RFC 5280) in ``text``. Raises CertificateError."""
    body = _unpem(text, "CERTIFICATE")
    try:
        fields = _parts(_parts(body)[0])
        if _tag(fields[0]) == 0xA0:  # the version
            fields = fields[1:]
        _serial, _algorithm, _issuer, validity, subject, public = fields[:6]
        names = [_parts(_parts(each)[0]) for each in _parts(subject)]
        values = [(_content(kind), _content(value).decode()) for kind, value in names]
        return Certificate(
            next((value for kind, value in values if kind == _COMMON_NAME), ""),
            tuple(value for kind, value in values if kind == _ORGANIZATION),
            _time(_parts(validity)[1]),
            public,
        )
    except (IndexError, ValueError, UnicodeDecodeError):
        raise CertificateError("the certificate cannot be read: it is no X.509") from None


def _sign(key: Key, data: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
    while True:
        nonce = _random()
        r = _times(nonce, _G)[0] % _N
        s = pow(nonce, -1, _N) * (digest + r * key.number) % _N
        if r and s:
            return _der(_SEQUENCE, _number(r), _number(s))


def _random() -> int:
    """A number from 1 to _N - 1; 64 bits more than needed leave no bias worth the name (FIPS 186-5 A.3.1)."""
    return int.from_bytes(os.urandom(40), "big") % (_N - 1) + 1


def _add(one: _Point | None, other: _Point | None) -> _Point | None:
    """The sum of two points of the curve; None is the point at infinity."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) if one == other else (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _times(number: int, point: _Point) -> _Point:
    total: _Point | None = None
    power: _Point | None = point
    while number:
        if number & 1:
            total = _add(total, power)
        power = _add(power, power)
        number >>= 1
    if total is None:
        raise CertificateError("the key is a multiple of the curve's order")
    return total


def _uncompressed(point: _Point) -> bytes:
    return b"\4" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _number(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _header(data: bytes) -> tuple[int, int]:
    """Where the content of the first element starts, and where it ends. Raises IndexError."""
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    if start + size > len(data):
        raise IndexError(size)
    return start, start + size


def _tag(data: bytes) -> int:
    return data[0]


def _content(data: bytes) -> bytes:
    start, end = _header(data)
    return data[start:end]


def _parts(data: bytes) -> list[bytes]:
    """The elements inside a constructed one, each with its header; of the outermost, the elements of a document."""
    found = []
    rest = _content(data)
    while rest:
        _start, end = _header(rest)
        found.append(rest[:end])
        rest = rest[end:]
    return found


def _time(data: bytes) -> int:
    """UTCTime or GeneralizedTime, in UTC with seconds (RFC 5280 section 4.1.2.5), as seconds since the epoch."""
    text = _content(data).decode("ascii")
    if _tag(data) == 0x17:  # two digits of the year: section 4.1.2.5.1
        text = ("20" if int(text[:2]) < 50 else "19") + text
    year, month, day, hour, minute, second = int(text[:4]), *(int(text[at : at + 2]) for at in range(4, 14, 2))
    # the days since 1970 in the proleptic Gregorian calendar, years beginning in March
    era, turn = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = era * 365 + era // 4 - era // 100 + era // 400 + (turn * 153 + 2) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _pem(label: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _unpem(text: str, label: str) -> bytes:
    found = re.search(f"-----BEGIN {label}-----([A-Za-z0-9+/=\\s]+)-----END {label}-----", text)
    if not found:
        raise CertificateError(f"there is no {label} in PEM")
    try:
        return base64.b64decode("".join(found[1].split()), validate=True)
    except ValueError:
        raise CertificateError(f"{label}: is not base64") from None
