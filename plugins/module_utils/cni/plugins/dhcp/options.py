# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP options by number and name: RFC 2132 and, for those beyond it, as said."""

from __future__ import annotations

SUBNET_MASK, ROUTER, NAME_SERVER, HOST_NAME, DOMAIN = 1, 3, 6, 12, 15
STATIC_ROUTES = 33
REQUESTED_ADDRESS, LEASE_TIME, OVERLOAD, MESSAGE_TYPE, SERVER_ID, PARAMETERS = 50, 51, 52, 53, 54, 55
MESSAGE, MESSAGE_SIZE, RENEWAL_TIME, REBINDING_TIME, CLIENT_ID = 56, 57, 58, 59, 61
SEARCH = 119  # RFC 3397
CLASSLESS_ROUTES = 121  # RFC 3442

#: The options that are requested without skipDefault.
DEFAULT_REQUEST = (SUBNET_MASK, ROUTER, NAME_SERVER, DOMAIN, STATIC_ROUTES, SEARCH, CLASSLESS_ROUTES)

#: Their names in dhcp-options(5) and in Go's plugin.
NAMES = {
    "subnet-mask": 1, "time-offset": 2, "routers": 3, "time-servers": 4, "domain-name-servers": 6, "log-servers": 7,
    "host-name": 12, "boot-size": 13, "domain-name": 15, "root-path": 17, "interface-mtu": 26,
    "broadcast-address": 28, "static-routes": 33, "ntp-servers": 42, "vendor-encapsulated-options": 43,
    "netbios-name-servers": 44, "dhcp-requested-address": 50, "dhcp-lease-time": 51, "dhcp-message-type": 53,
    "dhcp-server-identifier": 54, "dhcp-parameter-request-list": 55, "dhcp-message": 56,
    "dhcp-max-message-size": 57, "dhcp-renewal-time": 58, "dhcp-rebinding-time": 59, "vendor-class-identifier": 60,
    "dhcp-client-identifier": 61, "tftp-server-name": 66, "bootfile-name": 67, "user-class": 77, "fqdn": 81,
    "domain-search": 119, "classless-static-routes": 121,
}  # fmt: skip


def number_of(option: str) -> int:
    """An option's number, given that or its name. Raises ValueError."""
    if option in NAMES:
        return NAMES[option]
    if option.isascii() and option.isdigit() and 0 < int(option[:4]) < 255:
        return int(option)
    raise ValueError(f"can not parse DHCP option: {option!r} is neither 1 to 254 nor one of {', '.join(NAMES)}")
