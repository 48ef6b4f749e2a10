"""The rig keeps its own promises."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import TOP
from rig import Rig, RigError, wait_until
from rig.process import Server, descendants_of


def processes_below(directory):
    """Command lines that mention directory, as the kernel knows them."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/cmdline" % name, "rb") as line:
                command = line.read().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(directory) in command:
            found.append(command)
    return found


def test_redis_survives_kill9_with_all_its_data():
    with Rig() as rig:
        rig.start(rig.redis)
        rig.redis.query("XADD", "stream", "*", "key", "value")
        rig.redis.kill9()
        assert not rig.redis.is_running()
        rig.redis.start()
        assert rig.redis.query("XLEN", "stream") == "1"
    assert processes_below(rig.directory) == []
    assert not rig.directory.exists()


def test_postgresql_survives_kill9_with_all_its_data():
    with Rig() as rig:
        rig.start(rig.postgresql)
        rig.postgresql.create_database()
        rig.postgresql.query("CREATE TABLE kept (n int)")
        rig.postgresql.query("INSERT INTO kept VALUES (7), (8)")
        rig.postgresql.kill9()
        rig.postgresql.start()
        assert rig.postgresql.query("SELECT n FROM kept") == [["7"], ["8"]]
        rig.postgresql.restart()
        assert rig.postgresql.query("SELECT count(*) FROM kept") == [["2"]]
    assert processes_below(rig.directory) == []
    assert not rig.directory.exists()


def test_provider_stops_without_a_trace(submission):
    with Rig() as rig:
        rig.start(rig.provider)
        connection = rig.dovecot.connect("someone@acme.com")
        assert connection.select()[0] == "OK"
        assert len(rig.dovecot.processes()) > 3
        assert len(rig.postfix.processes()) > 3
    assert processes_below(rig.directory) == []
    assert not rig.directory.exists()


def test_killed_rig_takes_its_servers_along():
    script = ("import sys, time; sys.path.insert(0, %r)\n"
              "from rig import Rig\n"
              "rig = Rig(); rig.start(rig.dovecot, rig.redis)\n"
              "print(rig.directory, flush=True); time.sleep(60)\n"
              % str(TOP / "tests" / "lib"))
    child = subprocess.Popen([sys.executable, "-c", script],
                             stdout=subprocess.PIPE)
    directory = child.stdout.readline().decode().strip()
    try:
        assert len(processes_below(directory)) >= 4
        child.kill()
        child.wait()
        wait_until(lambda: processes_below(directory) == [],
                   "the servers of a killed rig to end", 15)
    finally:
        child.stdout.close()
        shutil.rmtree(directory)


def test_server_that_dies_while_starting_shows_its_log(tmp_path):
    class Broken(Server):
        name = "broken"

        def command(self):
            return ["sh", "-c", "echo cannot open the flux; exit 3"]

        def is_ready(self):
            return False

    before = time.monotonic()
    with pytest.raises(RigError, match="cannot open the flux"):
        Broken(tmp_path).start()
    assert time.monotonic() - before < 10


def test_stop_ends_a_server_that_daemonised_and_one_that_ignores_sigterm(
        tmp_path):
    class Stubborn(Server):
        name = "stubborn"
        stop_seconds = 1

        def command(self):
            return ["sh", "-c", "trap '' TERM; setsid sleep 77 & "
                                "echo started; sleep 78"]

        def is_ready(self):
            return len(descendants_of(self.pid)) >= 2

    server = Stubborn(tmp_path)
    server.start()
    pids = server.processes()
    assert len(pids) == 3
    os.kill(pids[1], signal.SIGTERM)
    server.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
