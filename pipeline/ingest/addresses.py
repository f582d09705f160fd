"""What kind of place a network address is: public, private, or one that nobody means to read video from."""

import ipaddress
import re
import socket
from enum import Enum

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds hand out credentials; some lie outside of the link-local range, one (Azure) is a public address.
METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"))
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What inet_aton reads as an address: decimal, octal or hexadecimal, in one to four parts.
NUMBERS = re.compile(r"(0[xX][0-9a-fA-F]*|\d+)(\.(0[xX][0-9a-fA-F]*|\d+)){0,3}\.?")


class Reach(Enum):
    PUBLIC = "public"
    PRIVATE = "private"
    """Loopback and private networks: where an origin of one's own may be."""
    FORBIDDEN = "forbidden"
    """Link-local, metadata, multicast, unspecified, reserved."""


def reach(address: IPAddress) -> tuple[Reach, str]:
    """Return the kind of an address, and the word for it."""
    inner = _embedded(address)
    if inner is not None:
        return reach(inner)
    if address in METADATA:
        return Reach.FORBIDDEN, "cloud metadata"
    if address.is_unspecified:
        return Reach.FORBIDDEN, "unspecified"
    if address.is_loopback:
        return Reach.PRIVATE, "loopback"
    if address.is_multicast:
        return Reach.FORBIDDEN, "multicast"
    if address.is_link_local:
        return Reach.FORBIDDEN, "link-local"
    if address.is_reserved:
        return Reach.FORBIDDEN, "reserved"
    if isinstance(address, ipaddress.IPv4Address) and int(address) < 1 << 24:
        return Reach.FORBIDDEN, "unspecified"
    return (Reach.PUBLIC, "public") if address.is_global else (Reach.PRIVATE, "private network")


def literal(host: str) -> IPAddress | None:
    """Return the address that a host states as a number; None: it is a name.

    Raises:
        ValueError: It is a number in a form that hides where it leads: decimal, octal, hexadecimal, shortened.
    """
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    if not NUMBERS.fullmatch(host):
        return None
    try:
        hidden = socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None
    raise ValueError(f"{host} is another way of writing {hidden}")


def _embedded(address: IPAddress) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
