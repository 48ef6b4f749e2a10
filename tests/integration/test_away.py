"""Redis or PostgreSQL away: mail flows, and what it taught arrives later."""

import pytest

from conftest import build_directory, host_of
from rig import Rig, RigError, samples, wait_until

USER = "sales1@acme.com"


def person(number):
    return "p%d@away.example" % number


@pytest.fixture
def system():
    """A rig of its own with two writers, so that parts of it may stop."""
    with Rig(build=build_directory()) as rig:
        gateway = rig.gateway()
        try:
            gateway.program("posternd")
        except RigError as missing:
            pytest.skip(str(missing))
        rig.start(rig.dovecot, rig.redis, rig.postgresql)
        rig.postgresql.create_database()
        gateway.configure()
        gateway.migrate()
        rig.start(gateway, rig.writer(gateway, "writer1"),
                  rig.writer(gateway, "writer2"))
        yield rig, gateway


def test_redis_away_fills_the_journal_and_is_caught_up(system):
    rig, gateway = system
    rig.redis.stop()
    rig.dovecot.seed(USER, [samples.message(1, sender="A <%s>" % person(1))])
    with host_of(gateway).imap(USER) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("FETCH 1 (BODY.PEEK[])")
    wait_until(lambda: any(path.is_file() and path.stat().st_size
                           for path in gateway.journal.rglob("*")),
               "a record in the journal")
    rig.redis.start()
    wait_until(lambda: rig.postgresql.query(
        "SELECT 1 FROM postern.contact WHERE email = '%s'" % person(1)),
        "the contact from the journal", 30)


def test_postgresql_away_is_waited_for_and_said(system):
    rig, gateway = system
    rig.postgresql.stop()
    rig.dovecot.seed(USER, [samples.message(1, sender="A <%s>" % person(1))])
    with host_of(gateway).imap(USER) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("FETCH 1 (BODY.PEEK[])")
    writers = [server for server in rig.servers()
               if server.name == "postern-writer"]
    wait_until(lambda: any("ostgre" in server.log_text()
                           or "database" in server.log_text()
                           for server in writers), "the writer to say so")
    assert all(server.is_running() for server in writers)
    rig.postgresql.start()
    wait_until(lambda: rig.postgresql.query(
        "SELECT 1 FROM postern.contact WHERE email = '%s'" % person(1)),
        "the contact", 40)
