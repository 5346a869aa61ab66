# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several tests of provisioning begin with: a node's state without parts, and a key."""

from __future__ import annotations

#: The parameters of node_state that ask for nothing.
NOTHING = {
    "files": [],
    "hostname": None,
    "kernel_modules": [],
    "kernel_module_proofs": {},
    "sysctls": {},
    "swap": "keep",
    "units": [],
    "overlay": None,
    "conflist": None,
}
#: Made by gpg 2.2.40, as --quick-gen-key ed25519 sign 30d at 2026-01-01. It signed nothing.
PUBLIC_KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEaVW5ABYJKwYBBAHaRw8BAQdA+3+q57e4jvbgOMKPHtX51oMQp+U4sd46tSbC
d8j5gNW0F1NpdGUgPHNpdGVAZXhhbXBsZS5vcmc+iJYEExYIAD4WIQT7/aj7bt3D
n0/+gS9CRr7eCTyGhwUCaVW5AAIbAwUJACeNAAULCQgHAgYVCgkICwIEFgIDAQIe
AQIXgAAKCRBCRr7eCTyGh/qAAP9luI8bQyfp5pUnqSF8f8Sw3eF2QshjJYXR7UCh
ONyOSQD9E4EVBrVdnhwtTDcVESr7PPxkwCfFWWJrXoJqAXusRgM=
=3XEP
-----END PGP PUBLIC KEY BLOCK-----
"""
