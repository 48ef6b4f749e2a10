"""Kill anything at any time: nothing a client read is lost without being
counted, nothing is filed twice, and no mail session notices what dies behind
the gateway.

Readers fetch messages, each of which names one person nobody else names; a
seeded schedule kills the writer, the inspectors, Redis, PostgreSQL and the
workers meanwhile. At the end the database is held against what was read.
"""

import imaplib
import os
import random
import signal
import ssl
import threading
import time

import pytest

from rig import Rig, samples, wait_until
from rig.process import command_name, descendants_of
from conftest import build_directory, host_of

SEED = 20260321
PARTITIONS = 4
SECONDS_TO_SETTLE = 120

BEHIND = ("writer", "inspector", "redis", "postgresql")


class Reader(threading.Thread):
    """Reads every message of one mailbox once, whatever happens, and counts
    the sessions that broke and why they may have."""

    def __init__(self, host, user, count, pace):
        super().__init__(daemon=True)
        self.host = host
        self.user = user
        self.left = list(range(1, count + 1))
        self.pace = pace
        self.read = []
        self.broken = []
        self.failure = None

    def connect(self):
        context = ssl.create_default_context(cafile=str(self.host.ca))
        imap = imaplib.IMAP4_SSL("localhost", self.host.imaps_port,
                                 ssl_context=context, timeout=60)
        imap.login(self.user, self.host.password)
        imap.select("INBOX")
        return imap

    def run(self):
        imap = None
        try:
            while self.left:
                try:
                    if imap is None:
                        imap = self.connect()
                    self.read_one(imap)
                except (OSError, imaplib.IMAP4.error) as error:
                    self.broken.append((time.monotonic(), repr(error)))
                    imap = None
                    time.sleep(0.05)
            imap.logout()
        except Exception as error:  # noqa: BLE001 - the test reports it
            self.failure = error

    def read_one(self, imap):
        number = self.left[-1]
        status, data = imap.uid("FETCH", str(number), "(UID FLAGS BODY[])")
        if status != "OK" or not data or not isinstance(data[0], tuple):
            raise OSError("fetch %d: %s %r" % (number, status, data))
        self.left.pop()
        self.read.append(number)
        time.sleep(self.pace)


class Chaos:
    """Does one fault after another and remembers what and when."""

    def __init__(self, rig, gateway, writers, dice):
        self.rig = rig
        self.gateway = gateway
        self.writers = writers
        self.dice = dice
        self.done = []

    def children(self, name):
        return [pid for pid in descendants_of(self.gateway.pid)
                if command_name(pid) == name[:15]]

    def kill_one(self, name):
        pids = self.children(name)
        if pids:
            os.kill(self.dice.choice(pids), signal.SIGKILL)

    def writer(self):
        writer = self.dice.choice(self.writers)
        writer.kill9()
        writer.start(wait=False)

    def inspector(self):
        self.kill_one("postern-inspect")

    def worker(self):
        self.kill_one("posternd")

    def redis(self):
        self.rig.redis.kill9()
        time.sleep(self.dice.uniform(0, 0.3))
        self.rig.redis.start(wait=False)

    def postgresql(self):
        self.rig.postgresql.kill9()
        time.sleep(self.dice.uniform(0, 0.3))
        self.rig.postgresql.start(wait=False)

    def fault(self, kind):
        getattr(self, kind)()
        self.done.append((time.monotonic(), kind))


def seed_mailboxes(rig, users, per_user):
    """Each message shows one person no other message shows."""
    for index, user in enumerate(users):
        rig.dovecot.seed(user, [
            (samples.message(
                number, sender="Person %d <p%d@box%d.partner%d.example>"
                % (number, number, index, number % 7), recipient=user,
                headers=("X-Box: %d" % index,),
                body="Hello,\n\nplease call me.\n\n-- \nPerson %d\n"
                     "Head of Purchasing\nPartner GmbH\n" % number)
             .replace(b".rig@partner", b".box%d@partner" % index), "S")
            for number in range(1, per_user + 1)])


def expected_address(index, number):
    return "p%d@box%d.partner%d.example" % (number, index, number % 7)


def missed_and_counted(gateway):
    """How many messages the gateway itself says it lost, by reason."""
    import json
    counters = json.loads(gateway.cli("status", "--json").stdout)["metrics"]
    names = ("postern_messages_skipped_total{reason=\"undecided\"}",
             "postern_inspector_overflow_total",
             "postern_taps_total{result=\"no_budget\"}",
             "postern_records_total{result=\"dropped\"}",
             "postern_messages_lost_total{reason=\"worker_died\"}")
    return {name: counters[name] for name in names}


def queue_length(rig):
    total = 0
    for number in range(PARTITIONS):
        text = rig.redis.query("XLEN", "postern:{%d}:contacts" % number,
                               check=False)
        total += int(text) if text.isdigit() else 1
    return total


def settle(rig, gateway):
    """Wait until what was learnt has arrived where it goes."""
    state = {"last": None, "since": time.monotonic()}

    def is_quiet():
        journal = sum(path.stat().st_size for path in
                      gateway.journal.iterdir() if path.is_file())
        rows = rig.postgresql.query(
            "SELECT count(*) FROM postern.sighting")[0][0]
        now = (queue_length(rig), rows)
        if now != state["last"]:
            state.update(last=now, since=time.monotonic())
        return (now[0] == 0 and journal < 100
                and time.monotonic() - state["since"] > 3)

    wait_until(is_quiet, "the queue to be empty", SECONDS_TO_SETTLE,
               pause=0.3)


def run_schedule(chaos, readers, faults, kinds):
    """All faults, spread over the readers' life, each followed by a pause of
    random length."""
    for _ in range(faults):
        chaos.fault(chaos.dice.choice(kinds))
        time.sleep(chaos.dice.uniform(0.1, 0.6))
        if not any(reader.is_alive() for reader in readers):
            break


@pytest.fixture
def own_rig(submission):
    """Servers that may be killed without harm to other tests."""
    with Rig(build=build_directory()) as rig:
        yield rig


def start_all(rig, users, per_user):
    gateway = rig.gateway(limits={"max_connections_per_account": 500,
                                  "max_connections_per_address": 5000})
    rig.start(rig.provider, rig.redis, rig.postgresql)
    rig.postgresql.create_database()
    gateway.configure()
    gateway.migrate()
    seed_mailboxes(rig, users, per_user)
    writers = [rig.writer(gateway, "writer%d" % number)
               for number in range(2)]
    rig.start(gateway, *writers)
    return gateway, writers


def check_database(rig, users, readers):
    """Number of read messages that are not there; fails on any that is there
    twice or was never read."""
    rows = rig.postgresql.query(
        "SELECT c.email, count(*) FROM postern.sighting s JOIN postern.contact c"
        " USING (organization_id, contact_id) GROUP BY 1")
    found = {email: int(count) for email, count in rows}
    assert [email for email, count in found.items() if count != 1] == []
    wanted = {expected_address(index, number)
              for index, reader in enumerate(readers)
              for number in reader.read}
    assert set(found) <= wanted
    return len(wanted - set(found))


@pytest.mark.parametrize("with_workers", [False, True],
                         ids=["behind-the-gateway", "workers-too"])
def test_kill_anything_at_any_time(own_rig, long, with_workers):
    users = ["chaos%d@acme.com" % number for number in range(4)]
    faults, per_user = (200, 5000) if long else (24, 250)
    gateway, writers = start_all(own_rig, users, per_user)
    dice = random.Random(SEED + with_workers)
    chaos = Chaos(own_rig, gateway, writers, dice)
    host = host_of(gateway)
    # The readers should be busy for as long as the faults last.
    pace = faults * 0.55 / per_user
    readers = [Reader(host, user, per_user, pace) for user in users]
    for reader in readers:
        reader.start()
    run_schedule(chaos, readers, faults,
                 BEHIND + (("worker",) if with_workers else ()))
    for reader in readers:
        reader.join(180)
        assert not reader.is_alive() and reader.failure is None, \
            (reader.failure, reader.broken[-3:])
    for server in (own_rig.redis, own_rig.postgresql, *writers):
        server.start()
    settle(own_rig, gateway)
    counted = missed_and_counted(gateway)
    missing = check_database(own_rig, users, readers)
    broken = sum(len(reader.broken) for reader in readers)
    print("%d messages read, %d faults, %d sessions broken, %d missing, "
          "counted as missed: %s" % (len(users) * per_user, len(chaos.done),
                                     broken, missing, counted))
    assert len(chaos.done) >= faults * 3 // 4
    assert missing <= sum(counted.values())
    if not with_workers:
        # Nothing behind the gateway may be felt in front of it.
        assert broken == 0, [reader.broken for reader in readers]
