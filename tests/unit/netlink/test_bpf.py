# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of classic BPF: instructions as linux/filter.h has them, run by the kernel on a pair of sockets."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import bpf

EVEN_OR_LONG = [(bpf.BYTE, 0), (bpf.BITS, 1, "odd", bpf.TAKE), "odd", (bpf.HALF, 1), (bpf.EQUAL, 0x4142, "", bpf.DROP)]


def test_labels_become_distances():
    assert [struct.unpack("HBBI", each) for each in parts(bpf.assemble(EVEN_OR_LONG, 64))] == [
        (0x30, 0, 0, 0), (0x45, 0, 2, 1), (0x28, 0, 0, 1), (0x15, 0, 1, 0x4142), (0x06, 0, 0, 64), (0x06, 0, 0, 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sent, taken", [(b"\x02", True), (b"\x03AB", True), (b"\x03BA", False), (b"\x03A", False), (b"\x04long", True)]
)
def test_the_kernel_carries_it_out(sent, taken):
    """A load beyond the end drops."""
    ours, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, others:
        bpf.attach(ours, bpf.assemble(EVEN_OR_LONG, 3))
        ours.setblocking(False)
        others.send(sent)
        if taken:
            assert ours.recv(64) == sent[:3]
        else:
            with pytest.raises(BlockingIOError):
                ours.recv(64)


def test_a_label_that_is_nowhere():
    with pytest.raises(KeyError):
        bpf.assemble([(bpf.EQUAL, 1, "nowhere", bpf.DROP)])


def parts(program: bytes) -> list[bytes]:
    return [program[at : at + 8] for at in range(0, len(program), 8)]
