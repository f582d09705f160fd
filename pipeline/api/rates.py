"""How often one client may ask: a bucket each, which fills at a steady rate; who is longest away is forgotten first."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS_REMEMBERED = 10_000


class Rates:
    """Belongs to one loop."""

    def __init__(self, per_second: float, at_once: int, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._at_once, self._now_seconds = per_second, float(at_once), now_seconds
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, client: str) -> int:
        """Count one request; return after how many seconds it may come again, 0: it may be done now."""
        now = self._now_seconds()
        left, at = self._buckets.pop(client, (self._at_once, now))
        left = min(self._at_once, left + (now - at) * self._per_second)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > CLIENTS_REMEMBERED:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) / self._per_second))


def client_of(address: str) -> str:
    """Return whom an address belongs to: of IPv6 the /64, as one host has all of it."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)
