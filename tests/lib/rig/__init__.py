"""rig: real servers, private to one scratch directory, for tests and demo.

Dovecot and Postfix play the mail provider; Redis and PostgreSQL stand behind
Postern; Postern's own programs run between. Loopback ports are chosen free,
everything else is a unix socket, and stopping the rig leaves no process.
"""

from .process import RigError, wait_until
from .provider import Provider
from .rig import Rig

__all__ = ["Provider", "Rig", "RigError", "wait_until"]
