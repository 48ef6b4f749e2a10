"""writing: Redis, PostgreSQL and the writer, without mail or gateway."""

import os
import pathlib
import shutil
import tempfile

from .postern import SCHEMA, WRITER_USER
from .postgresql import Postgresql
from .process import RigError, Server, drop_to, identity, run
from .redis import Redis

# The writer reads the sections queue and database; the rest only has to be
# there.
CONFIGURATION = """\
organization "acme" {{ domains = {{"acme.com"}} }}
organization "globex" {{ domains = {{"globex.com"}} }}
listener "imap" {{
	protocol = imap
	tls = none
	address = "127.0.0.1"
	port = 10143
}}
provider "main" {{
	imap_host = "127.0.0.1"
	imap_tls = none
}}
default_provider = "main"
queue {{ redis = "unix:{redis}" }}
database {{
	owner = "{owner}"
	writer = "{writer}"
	console = "{console}"
}}
"""


class WritingRig:
    """Redis and PostgreSQL with the schema applied, and writers on demand."""

    def __init__(self, build, migrate=True):
        self.build = pathlib.Path(build)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="postern."))
        os.chmod(self.directory, 0o711)
        self.redis = Redis(self.directory / "redis")
        self.postgresql = Postgresql(self.directory / "postgresql",
                                     {WRITER_USER})
        self.configuration = self.directory / "postern.conf"
        self.owner = identity(WRITER_USER)
        self._migrate = migrate
        self._writers = []

    def __enter__(self):
        try:
            self.redis.start()
            self.postgresql.start()
            self.postgresql.create_database()
            self.write_configuration()
            if self._migrate:
                self.postern("db", "migrate", "--schema", SCHEMA)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for writer in self._writers:
            writer.stop()
        self.postgresql.stop()
        self.redis.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def write_configuration(self):
        address = self.postgresql.address
        self.configuration.write_text(CONFIGURATION.format(
            redis=self.redis.socket, owner=address("postgres"),
            writer=address("postern_writer"),
            console=address("postern_console")))

    def program(self, name):
        path = self.build / name
        if not path.is_file():
            raise RigError("%s is not built" % path)
        return path

    def postern(self, *words, **options):
        """Run a command of postern; returns what it did."""
        return run([self.program("postern"), *words, "-c",
                    self.configuration], **options)

    def writer_command(self, *words):
        return [str(word) for word in
                drop_to(self.owner) + [self.program("postern-writer"), "-c",
                                       self.configuration, *words]]

    def drain(self, *words, **options):
        """File all that is queued, and return what the writer logged."""
        return run(self.writer_command("--once", *words),
                   **options).stdout.decode()

    def writer(self, name="one", *words):
        """A writer that keeps running; not started yet."""
        made = RunningWriter(self, name, words)
        self._writers.append(made)
        return made


class RunningWriter(Server):
    name = "postern-writer"

    def __init__(self, rig, name, words):
        super().__init__(rig.directory / ("writer-" + name))
        self.rig = rig
        self.words = ("--name", name, *words)

    def command(self):
        return self.rig.writer_command(*self.words)

    def is_ready(self):
        return ": ready" in self.log_text()
