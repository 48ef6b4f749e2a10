"""postern: the gateway and the writer under test.

configuration() is the one place that knows how postern.conf is written. The
programs are copied beside it, because a build directory may lie where the
unprivileged users they run as may not look.
"""

import os
import pathlib
import shutil

from . import ports
from .process import RigError, Server, drop_to, give, identity, run

POSTERN_USER = "nobody"
WRITER_USER = "nobody"
ORGANIZATION = "acme"
INSPECTED_DOMAINS = ("acme.com",)

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "conf" / "schema"

# What a build with sanitizers says of itself.
SANITIZER_FINDINGS = ("ERROR: AddressSanitizer", "runtime error:",
                      "LeakSanitizer: detected")

# Where a build directory may hold a program.
SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "conf" / "schema"
FOLDERS = (".", "gateway/posternd", "gateway/inspect", "gateway/writer",
           "gateway/cli")


def quoted(value):
    """A value as postern.conf writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "{%s}" % ", ".join(quoted(item) for item in value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"%s"' % text


def section(kind, settings, name=None):
    head = kind if name is None else '%s "%s"' % (kind, name)
    return "%s {\n%s}\n" % (head, "".join(
        "\t%s = %s\n" % (key, quoted(value))
        for key, value in settings.items() if value is not None))


def listeners(gateway):
    """The four ports of RFC 8314 and 6409 on 127.0.0.1."""
    kinds = (("imaps", "imap", "implicit", gateway.imaps_port),
             ("imap", "imap", "starttls", gateway.imap_port),
             ("submissions", "smtp", "implicit", gateway.submissions_port),
             ("submission", "smtp", "starttls", gateway.submission_port))
    return {name: {"protocol": protocol, "address": "127.0.0.1",
                   "port": port, "tls": tls}
            for name, protocol, tls, port in kinds}


def configuration(gateway):
    """The text of postern.conf for one gateway of the rig.

    Its settings override what stands here: a word is a setting of the top
    level, a dictionary adds to the section of that name.
    """
    rig = gateway.rig
    defaults = {
        "run_dir": gateway.run, "state_dir": gateway.state, "user": "",
        "workers": 2, "default_provider": "rig",
        "limits": {"max_auth_failures_per_address": 100000,
                   "max_connections_per_account": 200},
        "message": {"max_message_bytes": "100M"},
        "inspector": {"program": gateway.program("postern-inspect")},
        "queue": {"redis": "unix:%s" % rig.redis.socket,
                  "journal_dir": gateway.journal,
                  "event_key_file": gateway.event_key},
        "database": {"owner": rig.postgresql.address("postgres"),
                     "writer": rig.postgresql.address("postern_writer"),
                     "console": rig.postgresql.address("postern_console")},
    }
    repeated = {
        "certificate": {"rig": {
            "chain": rig.certificates.certificate("gateway"),
            "key": rig.certificates.key("gateway")}},
        "listener": listeners(gateway),
        "provider": {"rig": {
            "preset": "dovecot", "ca_file": rig.certificates.ca,
            "imap_host": "localhost", "imap_port": rig.dovecot.imaps_port,
            "imap_tls": "implicit",
            "smtp_host": "localhost",
            "smtp_port": rig.postfix.submissions_port,
            "smtp_tls": "implicit"}},
        "organization": {ORGANIZATION: {
            "domains": INSPECTED_DOMAINS, "region": "DE"}},
    }
    plain, text = [], []
    for key, value in gateway.settings.items():
        if key in repeated:
            for name, settings in value.items():
                repeated[key].setdefault(name, {}).update(settings)
        elif isinstance(value, dict):
            defaults.setdefault(key, {}).update(value)
        else:
            defaults[key] = value
    for key, value in defaults.items():
        if isinstance(value, dict):
            text.append(section(key, value))
        else:
            plain.append("%s = %s\n" % (key, quoted(value)))
    for kind, sections in repeated.items():
        text += [section(kind, settings, name)
                 for name, settings in sections.items()]
    return "".join(plain + text)


def has_sanitizers(program):
    """True for a build with AddressSanitizer, which keeps what is freed:
    limits on memory mean little then."""
    return b"__asan_init" in program.read_bytes()


class Gateway(Server):
    """One posternd; for settings see configuration()."""

    name = "posternd"
    never_logged = SANITIZER_FINDINGS

    def __init__(self, directory, rig, **settings):
        super().__init__(directory)
        self.rig = rig
        self.settings = settings
        self.owner = identity(POSTERN_USER)
        self.imap_port = ports.free_port()
        self.imaps_port = ports.free_port()
        self.submission_port = ports.free_port()
        self.submissions_port = ports.free_port()
        self.run = self.directory / "run"
        self.state = self.directory / "state"
        self.journal = self.state / "journal"
        self.event_key = self.directory / "event.key"
        self.configuration = self.directory / "postern.conf"

    def program(self, name):
        """A program of the build under test, where everyone may run it."""
        build = pathlib.Path(self.rig.build or ".")
        found = [build / folder / name for folder in FOLDERS
                 if (build / folder / name).is_file()]
        if not found:
            raise RigError("%s is not built below %s" % (name, build))
        copy = self.rig.directory / "bin" / name
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(found[0], copy)
            copy.chmod(0o755)
        return copy

    def has_sanitizers(self):
        return has_sanitizers(self.program("posternd"))

    def prepare(self):
        give(self.run, self.owner, 0o750)
        give(self.state, self.owner, 0o750)
        give(self.journal, self.owner, 0o700)
        if not self.event_key.exists():
            self.event_key.write_bytes(os.urandom(32))
            give(self.event_key, self.owner, 0o600)
        self.write_configuration()

    def write_configuration(self):
        self.configuration.write_text(configuration(self))

    def command(self):
        return drop_to(self.owner) + [self.program("posternd"), "-c",
                                      self.configuration]

    def is_ready(self):
        return (ports.answers(self.imap_port, greeting=b"* OK")
                and ports.answers(self.submission_port, greeting=b"220"))

    def cli(self, *words, **options):
        """Run the postern command with this gateway's configuration."""
        return run([self.program("postern"), *words, "-c",
                    self.configuration], **options)

    def migrate(self):
        """Bring the rig's database to this tree's schema."""
        self.cli("db", "migrate", "--schema", SCHEMA)


class Writer(Server):
    """One postern-writer with a gateway's configuration."""

    name = "postern-writer"
    never_logged = SANITIZER_FINDINGS

    def __init__(self, directory, rig, gateway):
        super().__init__(directory)
        self.rig = rig
        self.gateway = gateway
        self.owner = identity(WRITER_USER)

    def command(self, *words):
        return drop_to(self.owner) + [self.gateway.program("postern-writer"),
                                      "-c", self.gateway.configuration,
                                      "--name", self.directory.name, *words]

    def is_ready(self):
        return self.log_size() > 0

    def drain(self):
        """Write all that is queued, and return."""
        return run(self.command("--once"), timeout=120)
