"""Many clients at once doing what they should and what they should not: legal
sessions are right to the byte, and nothing is left behind by the others.

POSTERN_STRESS_SECONDS and POSTERN_STRESS_SEED choose another run.
"""

import json
import os
import random
import re
import signal
import threading
import time
import traceback

import pytest

from conftest import host_of
from rig import RigError, stress, wait_until
from rig.fake import FakeProvider
from rig.wire import Closed

SECONDS = float(os.environ.get("POSTERN_STRESS_SECONDS", 10))
SEED = int(os.environ.get("POSTERN_STRESS_SEED", 20260721))
CLIENTS = 8
CRASHES = re.compile(r"AddressSanitizer|runtime error|Assertion .* failed")


def metric(gateway, name):
    status = json.loads(gateway.cli("status", "--json").stdout)
    return status["metrics"][name]


def workers(gateway):
    return [pid for pid in gateway.processes("posternd")
            if pid != gateway.pid]


def open_files(gateway):
    return [len(os.listdir("/proc/%d/fd" % pid)) for pid in workers(gateway)]


def still_open(gateway):
    """What the log says of sessions that did not end."""
    lines = {}
    for line in gateway.log_text().splitlines():
        found = re.search(r"session=(\S+)", line)
        if found:
            lines.setdefault(found.group(1), []).append(line)
    return "\n".join("\n".join(said) for said in lines.values()
                     if not any("closed why=" in line for line in said))


class Run:
    """Clients in threads until the time is over or one has failed."""

    def __init__(self, gateway, provider, seed, hold):
        self.gateway = gateway
        self.host = host_of(gateway)
        self.provider = provider
        self.seed = seed
        self.hold = hold
        self.failures = []
        self.counts = {"legal": 0, "odd": 0}
        self.until = time.monotonic() + SECONDS
        self.lock = threading.Lock()
        self.number = 0

    def next_number(self):
        with self.lock:
            self.number += 1
            return self.number

    def client(self):
        while time.monotonic() < self.until and not self.failures:
            number = self.next_number()
            dice = random.Random("%d %d" % (self.seed, number))
            legal = number % 3 == 0
            try:
                self.session(dice, number, legal)
            except Exception:  # pylint: disable=broad-except
                self.failures.append("session %d of seed %d\n%s" % (
                    number, self.seed, traceback.format_exc()))
            self.counts["legal" if legal else "odd"] += 1

    def session(self, dice, number, legal):
        if legal:
            stress.legal_session(dice, self.host, self.provider, number,
                                 self.hold)
            return
        try:
            stress.odd_session(dice, self.host, number)
        except (Closed, OSError, AssertionError):
            pass  # cut off in the middle, as it deserves

    def run(self):
        threads = [threading.Thread(target=self.client)
                   for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while time.monotonic() < self.until and not self.failures:
            time.sleep(1)
            self.gateway.signal(signal.SIGHUP)  # nobody may notice
        for thread in threads:
            thread.join(60)
        assert not [t for t in threads if t.is_alive()], "a client hangs"


@pytest.mark.parametrize("hold", [True, False], ids=["held", "streamed"])
def test_random_sessions_leave_nothing_behind(rig, hold):
    provider = stress.Provider(SEED)
    with FakeProvider(rig.certificates, provider.imap) as imap, \
            FakeProvider(rig.certificates, provider.smtp) as smtp:
        gateway = rig.gateway(
            "stress-%s" % hold, workers=2,
            message={"hold_until_complete": hold},
            provider={"rig": {"imap_port": imap.port,
                              "smtp_port": smtp.port}},
            limits={"preauth_timeout_s": 4, "connect_timeout_s": 2,
                    "server_read_timeout_s": 3,
                    "max_auth_failures_per_account": 100000,
                    "max_connections_per_address": 10000})
        gateway.start()
        try:
            check(gateway, provider, hold)
        finally:
            gateway.stop()
        assert not CRASHES.search(gateway.log_text())


def check(gateway, provider, hold):
    host = host_of(gateway)
    for number in range(4):  # the workers have opened what they keep open
        stress.legal_session(random.Random(number), host, provider, -number,
                             hold)
    wait_until(lambda: metric(gateway, "postern_open_sessions") == 0,
               "no session before")
    before, files = workers(gateway), open_files(gateway)
    run = Run(gateway, provider, SEED, hold)
    run.run()
    assert not run.failures, run.failures[0]
    assert run.counts["legal"] >= SECONDS and run.counts["odd"] >= SECONDS
    try:
        wait_until(lambda: metric(gateway, "postern_open_sessions") == 0,
                   "all sessions to end", 20)
    except RigError as error:
        raise AssertionError("%s\n%s" % (error, still_open(gateway))) from None
    assert metric(gateway, "postern_message_bytes_held") == 0
    assert workers(gateway) == before
    wait_until(lambda: all(now <= then + 1 for now, then in
                           zip(open_files(gateway), files)),
               "all files to be closed", 10)
    stress.legal_session(random.Random(1), host, provider, 10 ** 6, hold)
    print("stress: %(legal)d legal and %(odd)d odd sessions" % run.counts)
