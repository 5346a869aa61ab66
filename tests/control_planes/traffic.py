# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic.py STOP ping|service|api ADDRESS:PORT runs until the file STOP is there. Prints what was sent, what failed,
and the longest time without an answer, as JSON.

ping: a packet each 10 ms. service: a TCP connection each 20 ms, an HTTP request and its answer. api: each 50 ms the
node reads its own Node, which the API server asks etcd for, on a connection that is kept and on a new one. Where a kept
one was closed before the request came, a new one is made and the request repeated (RFC 9112, section 9.3.1).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time


def ping(stop: str, address: str) -> dict:
    ran = subprocess.Popen(["ping", "-n", "-q", "-i", "0.01", address], stdout=subprocess.PIPE, text=True)
    while not os.path.exists(stop):
        time.sleep(0.1)
    ran.send_signal(signal.SIGINT)
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", ran.communicate()[0]).groups())
    return {"sent": sent, "failed": sent - received}


def repeat(stop: str, every: float, *ask) -> dict:
    """Each of `ask` in turn until the end; the longest time that one of them had no answer."""
    sent = failed = 0
    answered = {each: time.monotonic() for each in ask}
    longest, errors = 0.0, []
    while not os.path.exists(stop):
        for each in ask:
            sent += 1
            try:
                each()
            except (OSError, http.client.HTTPException) as error:
                failed += 1
                errors.append(f"{time.strftime('%H:%M:%S')} {each.__name__} {error!r}"[:120])
            else:
                longest = max(longest, time.monotonic() - answered[each])
                answered[each] = time.monotonic()
        time.sleep(every)
    return {"sent": sent, "failed": failed, "longest": round(longest, 2), "errors": errors[:20]}


def service(stop: str, address: str, port: int) -> dict:
    def connect() -> None:
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    return repeat(stop, 0.02, connect)


def api(stop: str, host: str, port: int) -> dict:
    context = ssl.create_default_context(cafile="/etc/kubernetes/pki/ca.crt")
    context.load_cert_chain("/var/lib/kubelet/pki/kubelet-client-current.pem")
    path = f"/api/v1/nodes/{socket.gethostname()}"
    kept = http.client.HTTPSConnection(host, port, timeout=10, context=context)

    def request(connection: http.client.HTTPSConnection) -> None:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if not answer.read() or answer.status != 200:
                raise OSError(f"status {answer.status}")
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request connects again
            raise

    def on_a_kept_one() -> None:
        reused = kept.sock is not None
        try:
            request(kept)
        except ConnectionError:  # RemoteDisconnected is one
            if not reused:
                raise
            request(kept)

    def on_a_new_one() -> None:
        connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
        request(connection)
        connection.close()

    return repeat(stop, 0.05, on_a_kept_one, on_a_new_one)


if __name__ == "__main__":
    stop, kind, place = sys.argv[1:4]
    host, _colon, port = place.rpartition(":")
    run = {"ping": lambda: ping(stop, host), "service": lambda: service(stop, host, int(port))}
    print(json.dumps(run.get(kind, lambda: api(stop, host, int(port)))()))
