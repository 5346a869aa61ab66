# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Client certificates of the agents, and serving certificates of the kubelets."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_RENEW = (
    "ansible -i INVENTORY {subject} --become -m command -a 'rm -r /etc/podnet/kube'; "
    "ansible-playbook -i INVENTORY podnet.cluster.site"
)
_INSPECT = "kubectl drain {subject} --ignore-daemonsets; find what made this request; reinstall the node"
#: The signer for kubernetes.io/kube-apiserver-client is part of kube-controller-manager.
_SIGNER = "kubectl --namespace kube-system logs --selector component=kube-controller-manager --since 10m"

ENTRIES = {
    Code.REQUEST_UNREADABLE: Entry(
        "certificate request of {subject} is not a signed PKCS #10 request in PEM ({error}): not approved",
        "The node's openssl failed, or the answer of the node is not that of the module agent_credentials.",
        _RENEW,
    ),
    Code.REQUEST_SUBJECT: Entry(
        "certificate request of {subject} has subject {found}, expected {expected}: not approved",
        "With another subject's certificate a node would speak to the API as another node, or as an administrator.",
        _INSPECT,
    ),
    Code.REQUEST_EXTENSIONS: Entry(
        "certificate request of {subject} asks for {found}, expected no extensions or attributes: not approved",
        "Extensions such as a subject alternative name could make the certificate good for more than the agent needs.",
        _INSPECT,
    ),
    Code.REQUEST_KEY_TYPE: Entry(
        "certificate request of {subject} is for a key of type {found}, expected {expected}: not approved",
        "Agents have ECDSA keys on the curve P-256; any other key is not one that the role made.",
        _RENEW,
    ),
    Code.REQUEST_NOT_ASKED: Entry(
        "certificate request of {subject} names a node that is not in this play: not approved",
        "Certificates are for the agents of the nodes that the play runs on, by their names in the inventory.",
        "remove {subject} from `requests` of podnet.cluster.agent_identities",
    ),
    Code.CERTIFICATE_UNREADABLE: Entry(
        "certificate for {subject} is not an X.509 certificate in PEM ({error}): not installed",
        "What the API returned for an approved request was not what a signer puts there.",
        _SIGNER,
    ),
    Code.CERTIFICATE_SUBJECT: Entry(
        "certificate for {subject} has subject {found}, expected {expected}: not installed",
        "The signer signed another subject than the one that was approved.",
        _SIGNER,
    ),
    Code.CERTIFICATE_KEY: Entry(
        "certificate for {subject} is for another key than its request: not installed",
        "The signer signed another request than the one that was approved.",
        _SIGNER,
    ),
    Code.CERTIFICATE_EXTENSIONS: Entry(
        "certificate for {subject} has {found}, expected client authentication alone: not installed",
        "The signer added a name, a usage or a CA's rights that the request did not have.",
        _SIGNER,
    ),
    Code.KUBELET_REQUEST_INVALID: Entry(
        "serving certificate request of kubelet {subject} has {part} {found}, expected {expected}: not approved",
        "A kubelet asks for its own user, for a server's usages and an ECDSA key; another program made this request.",
        _INSPECT,
    ),
    Code.KUBELET_REQUEST_NAMES: Entry(
        "serving certificate request of kubelet {subject} is for {found}, expected names of {expected}: not approved",
        "With another node's address in its certificate, a kubelet could pose as that node to the API server. Or the "
        "node has an address that the inventory lacks (node_addresses).",
        "kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving; where the names are the "
        "node's own: kubectl certificate approve NAME",
    ),
    Code.KUBELET_REQUEST_MISSING: Entry(
        "kubelet {subject} has requested no serving certificate within {seconds} s: kubectl logs and exec fail there",
        "The kubelet does not reach the API, or has no address yet.",
        "journalctl --unit kubelet --grep certificate",
    ),
}
