"""rig: every server of one scratch directory, started in order."""

import os
import pathlib
import shutil
import tempfile

from .certificates import Certificates
from .postern import POSTERN_USER, WRITER_USER, Gateway, Writer
from .postgresql import Postgresql
from .process import Server
from .provider import Provider
from .redis import Redis


class Rig:
    """Servers by name: provider, redis, postgresql, gateway, writer.

    With no directory given one is made, and removed again by close().
    """

    def __init__(self, directory=None, build=None):
        self._owns_directory = directory is None
        self.directory = pathlib.Path(
            directory or tempfile.mkdtemp(prefix="postern."))
        self.directory.mkdir(parents=True, exist_ok=True)
        # Every server runs as its own user and must find its folder below.
        os.chmod(self.directory, 0o711)
        self.build = pathlib.Path(build).resolve() if build else None
        self.certificates = Certificates(self.directory / "tls").create()
        self.provider = Provider(self.directory, self.certificates)
        self.redis = Redis(self.directory / "redis")
        self.postgresql = Postgresql(self.directory / "postgresql",
                                     {POSTERN_USER, WRITER_USER})
        self._started = []
        self._made = []  # those a test starts and stops itself

    @property
    def dovecot(self):
        return self.provider.dovecot

    @property
    def postfix(self):
        return self.provider.postfix

    def start(self, *servers):
        """Start servers in order; stop() ends them in the reverse order."""
        for server in servers:
            if server not in self._started:
                self._started.append(server)
            server.start()
        return self

    def gateway(self, name="gateway", **settings):
        """A posternd before this rig's provider, not started yet."""
        made = Gateway(self.directory / name, self, **settings)
        self._made.append(made)
        return made

    def writer(self, gateway, name="writer"):
        made = Writer(self.directory / name, self, gateway)
        self._made.append(made)
        return made

    def stop(self):
        while self._started:
            self._started.pop().stop()

    def close(self):
        self.stop()
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def servers(self):
        """All that were started or made, as single servers."""
        found = []
        for server in self._started:
            found += ([server] if isinstance(server, Server)
                      else server.servers())
        return found + [server for server in self._made
                        if server not in found]

    def log_marks(self):
        """How long each log is now, for log_tails()."""
        return {server.log_path: server.log_size()
                for server in self.servers()}

    def log_tails(self, marks=None):
        """What the servers logged since the marks, as one text."""
        marks = marks or {}
        return "\n".join(
            "--- %s\n%s" % (server.log_path, server.log_tail(
                marks.get(server.log_path, 0)))
            for server in self.servers()
            if server.log_size() > marks.get(server.log_path, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
