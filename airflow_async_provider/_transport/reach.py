# SPDX-License-Identifier: Apache-2.0
"""
Where a URL that a remote has handed out may lead: what a remote can make a worker fetch.

A result URL may point anywhere on the internet and into the company's network, as storages do. It must not
point to the worker itself or to addresses that exist on every machine (loopback; link-local, where clouds
keep credentials), unless the connection itself points there, as it is written: what a name resolves to is in
the hands of its owner, who may be the remote. A list of hosts narrows it further.

Names are checked twice: as they are written, before anything is sent, and as the address that a socket has
really been connected to, so that a name that resolves to a forbidden address does not help.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from airflow_async_provider._urls import DEFAULT_PORTS, host_in_url, origin, port_of, split_url
from airflow_async_provider.errors import ConfigurationError, OriginError

#: Names that stand for the machine itself or for a cloud's metadata, whatever they resolve to.
LOCAL_NAMES = (
    "localhost",
    "localhost.localdomain",
    "localhost6",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
)

#: Where clouds keep credentials outside of the link-local addresses: AWS and Google (IPv6), Alibaba, Azure,
#: Oracle. Each is that of the machine itself, and no storage.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)

#: Kinds of addresses where credentials of the machine are kept.
CREDENTIALS = ("link-local", "metadata")

#: A gateway turns these into the IPv4 address in their last four bytes: NAT64 (RFC 6052 §2.1; RFC 8215 for a
#: network's own), and IPv4-translated addresses (RFC 2765 §2.1).
TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96")))

#: An address on a link (ISATAP) is the IPv4 address behind these four bytes (RFC 5214 §6.1).
ISATAP = frozenset({0x00005EFE, 0x02005EFE})

#: "This host on this network" (RFC 1122 §3.2.1.3): no machine has such an address.
THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")


def is_listed(parts: Any, hosts: frozenset[str]) -> bool:
    """
    Whether a list of ``host`` or ``host:port`` names where a URL leads.

    A name without a port means the scheme's own port, not any port of that machine.

    :param parts: of the URL, from ``split_url``
    """
    allowed = {host.lower() for host in hosts}
    name, port = host_in_url(parts.hostname), port_of(parts)
    own_port = port == DEFAULT_PORTS[parts.scheme]
    return f"{name}:{port}" in allowed or (own_port and not allowed.isdisjoint((name, parts.hostname)))


def kind_of(address: str) -> str:
    """
    What is special about an IP address: ``loopback``, ``link-local``, ``unspecified``, ``multicast``,
    ``metadata`` or nothing.

    :param address: of any form that a socket takes; a name is nothing special
    """
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        try:  # 127.1, 0x7f000001 and 2130706433 are addresses to a socket, too
            ip = ipaddress.ip_address(socket.inet_aton(address))
        except (OSError, ValueError):
            return ""
    if isinstance(ip, ipaddress.IPv6Address) and (inner := _ipv4_in(ip)) is not None:
        ip = inner
    if ip in METADATA:
        return "metadata"
    if ip in THIS_NETWORK:
        return "unspecified"
    kinds = ("loopback", "link_local", "unspecified", "multicast")
    return next((kind.replace("_", "-") for kind in kinds if getattr(ip, f"is_{kind}")), "")


def _ipv4_in(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, by whatever way."""
    last = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if any(ip in network for network in TRANSLATED) or int(ip) >> 32 & 0xFFFFFFFF in ISATAP:
        return last
    if 1 < int(ip) < 1 << 32:  # "IPv4-compatible" (RFC 4291 §2.5.5.1)
        return last
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Where results of one connection may be fetched.

    :param base_url: of the connection, which may lead to what is forbidden for others
    :param own: whether a URL is the remote's own or on a host that the connection lists
    :param result_hosts: if given, no other hosts
    """

    base_url: str
    own: Callable[[str], bool] = field(repr=False)
    result_hosts: frozenset[str] = frozenset()

    def check(self, url: str) -> None:
        """
        Refuse a URL by what is written in it; to be asked for the first one and for every redirect.

        :raises OriginError: it leads where it may not
        :raises ConfigurationError: it is not an http or https URL
        """
        if self.own(url):
            return
        parts = split_url(url)
        if self.result_hosts and not is_listed(parts, self.result_hosts):
            raise OriginError(
                f"The result URL points to {origin(url)}, which the connection's extra result_hosts does not "
                "list; nothing was fetched."
            )
        kind = _kind_of_host(parts.hostname)
        if kind and kind not in self._allowed():
            raise _refused(url, kind)

    def check_address(self, url: str, address: str) -> None:
        """
        Refuse the address that a socket for this URL has been connected to, before anything is sent on it.

        :raises OriginError: it leads where it may not
        """
        kind = kind_of(address)
        # That the remote's own name leads to this machine is a hosts file's doing; where clouds keep
        # credentials no remote is.
        fine = kind not in CREDENTIALS and self.own(url)
        if kind and not fine and kind not in self._allowed():
            raise _refused(url, kind)

    def _allowed(self) -> set[str]:
        """Kinds of addresses that the connection itself leads to, by what is written in it."""
        try:
            kind = _kind_of_host(split_url(self.base_url).hostname)
        except ConfigurationError:
            return set()
        return {"local", "loopback"} if kind in ("local", "loopback") else {kind}


def _kind_of_host(host: str) -> str:
    """:func:`kind_of` for what is written in a URL, with ``local`` for names of the machine itself."""
    name = unquote(host).rstrip(".\u3002\uff0e\uff61")
    with contextlib.suppress(UnicodeError):  # as clients and proxies read it: full-width digits and the like
        name = name.encode("idna").decode("ascii").lower()
    local = any(name == known or name.endswith(f".{known}") for known in LOCAL_NAMES)
    return kind_of(name) or ("local" if local else "")


def _refused(url: str, kind: str) -> OriginError:
    return OriginError(
        f"The result URL points to {origin(url)}, a {kind} address that the connection itself does not point "
        "to; nothing was fetched. A remote must not make a worker read what only the worker can reach."
    )
