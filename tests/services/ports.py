"""Ports for servers of tests: free, and given to nobody else until the server has them."""

import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a free port, with that 10,000 above it free as well, for the bus of a cluster.

    For a minute nobody else is given them who asks for any port, here or in another process.
    """
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
            try:
                bus.bind((HOST, port + 10_000))
            except (OSError, OverflowError):
                continue
            keep(probe)
            keep(bus)
        return port


def keep(bound: socket.socket) -> None:
    """Leave a connection in TIME_WAIT on a port: who asks for this port, with SO_REUSEADDR as servers do, has it."""
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.listen()
    with socket.create_connection(bound.getsockname()):
        bound.accept()[0].close()


def accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
