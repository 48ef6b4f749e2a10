"""postgresql: a private cluster on a unix socket.

Who may be which role is decided by the kernel's word for the peer's user, as
on a real host: no passwords in any file.
"""

import os
import pathlib
import signal

from .process import (RigError, Server, drop_to, give, identity, run)

DATABASE = "postern"
ROLES = ("postern_gateway", "postern_writer", "postern_console")


def program(name):
    """The newest installed PostgreSQL's program of that name."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/" + name),
                   key=lambda path: int(path.parts[4]))
    if not found:
        raise RigError("postgresql is not installed: %s is missing" % name)
    return found[-1]


class Postgresql(Server):
    name = "postgresql"

    def __init__(self, directory, peers=()):
        """peers: system users that may be any of Postern's roles."""
        super().__init__(directory)
        self.owner = identity("postgres")
        self.peers = set(peers)
        self.data = self.directory / "data"
        self.socket_directory = self.directory / "run"

    def prepare(self):
        give(self.data, self.owner, 0o700)
        give(self.socket_directory, self.owner, 0o755)
        if (self.data / "PG_VERSION").exists():
            return
        run(drop_to(self.owner)
            + [program("initdb"), "--no-sync", "--username=postgres",
               "--encoding=UTF8", "--locale=C.UTF-8", "--auth=reject",
               "-D", self.data],
            cwd=self.directory, timeout=120)
        (self.data / "pg_hba.conf").write_text(
            "local all all peer map=rig\n")
        superusers = {"root", self.owner.pw_name}
        lines = ["rig %s postgres" % user for user in superusers]
        lines += ["rig %s %s" % (user, role)
                  for user in superusers | self.peers for role in ROLES]
        (self.data / "pg_ident.conf").write_text(
            "\n".join(sorted(lines)) + "\n")
        with open(self.data / "postgresql.conf", "a") as settings:
            settings.write(
                "listen_addresses = ''\nunix_socket_directories = '%s'\n"
                "log_line_prefix = '%%m '\nlog_min_messages = warning\n"
                "shared_buffers = '64MB'\nmax_connections = 60\n"
                "log_statement = 'none'\nlog_min_error_statement = panic\n"
                % self.socket_directory)

    def command(self):
        return drop_to(self.owner) + [program("postgres"), "-D", self.data]

    def is_ready(self):
        return run(["pg_isready", "-q", "-h", self.socket_directory],
                   check=False).returncode == 0

    def stop(self):
        # SIGTERM waits for clients to leave; SIGINT ends them properly.
        if self.is_running():
            self.signal(signal.SIGINT)
        super().stop()

    def create_database(self):
        """Make the empty database; does nothing when it is there."""
        found = self.query("SELECT 1 FROM pg_database WHERE datname='%s'"
                           % DATABASE, database="postgres")
        if not found:
            self.query("CREATE DATABASE %s" % DATABASE, database="postgres")

    def address(self, role, database=DATABASE):
        """A libpq connection string."""
        return "host=%s dbname=%s user=%s" % (self.socket_directory,
                                              database, role)

    def query(self, sql, role="postgres", database=DATABASE):
        """Run SQL as the superuser; rows, each a list of strings."""
        done = run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                    "-F", "\x1f", "-R", "\x1e", "-d",
                    self.address(role, database), "-c", sql],
                   env=dict(os.environ, PGOPTIONS=""))
        text = done.stdout.decode().rstrip("\n")
        if not text:
            return []
        return [row.split("\x1f") for row in text.split("\x1e")]

    def data_files(self):
        return [path for path in self.data.rglob("*") if path.is_file()]
