"""ports: free loopback ports, below the range the kernel gives out itself."""

import random
import socket

LOWEST, HIGHEST = 12000, 30000
_given = set()


def has_ipv6():
    """True when the loopback address of IPv6 can be used here."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def _is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"),
                            (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError:
            if family == socket.AF_INET or has_ipv6():
                return False
    return True


def free_port():
    """A port nobody listens on; never the same one twice."""
    for _ in range(1000):
        port = random.randint(LOWEST, HIGHEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError("no free loopback port")


def answers(port, host="127.0.0.1", greeting=None):
    """True when something accepts on port (and greets, when given)."""
    with socket.create_connection((host, port), timeout=5) as connection:
        if greeting is None:
            return True
        return connection.recv(512).startswith(greeting)
