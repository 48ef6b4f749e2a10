"""postern: the gateway and the writer under test.

configuration() is the one place that knows how postern.conf is written.
"""

import os
import pathlib

from . import ports
from .process import (RigError, Server, drop_to, give, identity,
                      run)

POSTERN_USER = "nobody"
WRITER_USER = "nobody"
INSPECTED_DOMAINS = ("acme.com",)


def quoted(value):
    """A value as postern.conf writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{%s}" % ", ".join(quoted(item) for item in value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"%s"' % text


def section(kind, name, settings):
    head = kind if name is None else '%s "%s"' % (kind, name)
    return "%s {\n%s}\n" % (head, "".join(
        "\t%s = %s\n" % (key, quoted(value))
        for key, value in settings.items()))


def configuration(gateway):
    """The text of postern.conf for one gateway of the rig."""
    rig = gateway.rig
    settings = dict(gateway.settings)
    organization = dict({"domains": list(INSPECTED_DOMAINS)},
                        **settings.pop("organization", {}))
    provider = dict({
        "preset": "dovecot",
        "imap_host": "localhost",
        "imap_port": rig.dovecot.imaps_port,
        "imap_tls": "implicit",
        "smtp_host": "localhost",
        "smtp_port": rig.postfix.submissions_port,
        "smtp_tls": "implicit",
        "ca_file": rig.certificates.ca,
    }, **settings.pop("provider", {}))
    top = dict({
        "imaps_listen": ["127.0.0.1:%d" % gateway.imaps_port],
        "imap_listen": ["127.0.0.1:%d" % gateway.imap_port],
        "submissions_listen": ["127.0.0.1:%d" % gateway.submissions_port],
        "submission_listen": ["127.0.0.1:%d" % gateway.submission_port],
        "tls_certificate": rig.certificates.certificate("gateway"),
        "tls_key": rig.certificates.key("gateway"),
        "control_socket": gateway.control_socket,
        "journal_directory": gateway.journal,
        "redis": rig.redis.socket,
        "workers": 2,
    }, **settings)
    return ("".join("%s = %s\n" % (key, quoted(value))
                    for key, value in top.items())
            + section("organization", "acme", organization)
            + section("provider", "rig", provider))


class Gateway(Server):
    """One posternd. Extra settings go into its postern.conf; the keys
    provider and organization are sections."""

    name = "posternd"

    def __init__(self, directory, rig, **settings):
        super().__init__(directory)
        self.rig = rig
        self.settings = settings
        self.owner = identity(POSTERN_USER)
        self.imap_port = ports.free_port()
        self.imaps_port = ports.free_port()
        self.submission_port = ports.free_port()
        self.submissions_port = ports.free_port()
        self.state = self.directory / "state"
        self.journal = self.state / "journal"
        self.control_socket = self.state / "control"
        self.configuration = self.directory / "postern.conf"

    def program(self, name):
        """A program of the build under test."""
        for folder in ("gateway/posternd", "gateway/writer", "gateway/cli",
                       "gateway/inspect", "."):
            path = pathlib.Path(self.rig.build or ".") / folder / name
            if path.is_file():
                return path
        raise RigError("%s is not built below %s" % (name, self.rig.build))

    def prepare(self):
        give(self.state, self.owner, 0o750)
        give(self.journal, self.owner, 0o700)
        self.write_configuration()

    def write_configuration(self):
        self.configuration.write_text(configuration(self))

    def command(self):
        return drop_to(self.owner) + [self.program("posternd"), "-c",
                                      self.configuration]

    def is_ready(self):
        return ports.answers(self.imap_port, greeting=b"* OK")

    def cli(self, *words, **options):
        """Run the postern command with this gateway's configuration."""
        return run([self.program("postern"), "-c", self.configuration]
                   + list(words), **options)


class Writer(Server):
    """One postern-writer of a gateway's configuration."""

    name = "postern-writer"

    def __init__(self, directory, rig, gateway, **settings):
        super().__init__(directory)
        self.rig = rig
        self.gateway = gateway
        self.settings = settings
        self.owner = identity(WRITER_USER)

    def command(self):
        return drop_to(self.owner) + [self.gateway.program("postern-writer"),
                                      "-c", self.gateway.configuration]

    def is_ready(self):
        return "ready" in self.log_text()

    def drain(self):
        """Write all that is queued, and return."""
        run(drop_to(self.owner) + [self.gateway.program("postern-writer"),
                                   "-c", self.gateway.configuration,
                                   "--once"],
            env=dict(os.environ))
