"""measure: one load through one peer, and what the peer spent on it.

CPU is that of the peer's whole process tree between the moment every user is
logged in and the moment the last answer is there, so it is the work and not
the setting up. Knows nothing of tables.
"""

import json
import os
import pathlib
import socket
import ssl
import subprocess
import time

from rig.process import RigError, Server, wait_until
from rig import ports

TICKS = os.sysconf("SC_CLK_TCK")


class Sink(Server):
    name = "sink"

    def __init__(self, directory, bench):
        super().__init__(directory)
        self.bench = bench
        self.imap_port = ports.free_port()
        self.smtp_port = ports.free_port()
        self._asked = 0

    def port(self, protocol):
        return {"imap": self.imap_port, "smtp": self.smtp_port}[protocol]

    def command(self):
        certificates = self.bench.certificates
        return self.bench.pinned("load", [
            self.bench.program("sink"), certificates.certificate("provider"),
            certificates.key("provider"), self.imap_port, self.smtp_port])

    def is_ready(self):
        return ports.answers(self.imap_port)

    def counts(self):
        """What the sink counted since it started."""
        context = ssl.create_default_context(
            cafile=str(self.bench.certificates.ca))
        with socket.create_connection(("127.0.0.1", self.imap_port),
                                      timeout=10) as plain:
            with context.wrap_socket(plain,
                                     server_hostname="localhost") as channel:
                lines = channel.makefile("rwb")
                lines.readline()
                lines.write(b"s X-STATS\r\n")
                lines.flush()
                counts = json.loads(lines.readline().split(b" ", 2)[2])
        self._asked += 1
        counts["full"] -= self._asked
        return counts


def process_seconds(pid):
    """CPU seconds of one process and of the children it has buried."""
    seconds = 0.0
    try:
        for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
        fields = pathlib.Path("/proc/%d/stat" % pid).read_text()
        fields = fields.rpartition(")")[2].split()
        seconds += (int(fields[13]) + int(fields[14])) / TICKS
    except OSError:
        pass  # it ended: its parent has its time
    return seconds


def cpu_seconds(peer):
    """CPU seconds so far of each part of a peer."""
    return {part: sum(process_seconds(pid) for pid in pids)
            for part, pids in peer.parts().items()}


def memory_kib(peer):
    """Proportional memory of all processes of a peer."""
    total = 0
    for pids in peer.parts().values():
        for pid in pids:
            text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
            for line in text.splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def settled(peer, seconds=20.0):
    """Wait until a peer that looks inside has nothing left to do."""
    deadline = time.monotonic() + seconds
    before = cpu_seconds(peer)
    while peer.looks_inside and time.monotonic() < deadline:
        time.sleep(0.1)
        after = cpu_seconds(peer)
        if sum(after.values()) - sum(before.values()) < 0.001:
            return after
        before = after
    return cpu_seconds(peer)


class Load:
    """A load generator, set up and waiting for the word."""

    def __init__(self, bench, peer, kind, **options):
        options.setdefault("users", 8)
        options["ca"] = bench.certificates.ca
        options["base"] = bench.mailboxes(options["users"])
        self.name = "%s through %s" % (kind, peer.name)
        self.kind = kind
        self._peer = peer
        self._process = subprocess.Popen(
            [str(word) for word in bench.pinned("load", [
                bench.program("load"), kind,
                *("%s=%s" % item for item in options.items())])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self._expect("ready")

    def run(self):
        """Do the work; returns what the generator measured."""
        self._say()
        return json.loads(self._expect("{"))

    def end(self):
        """Let the sessions go."""
        self._say()
        if self._process.wait(30) != 0:
            raise RigError("%s: %s" % (self.name,
                                       self._process.stderr.read()))
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.stderr.close()

    def _log(self):
        if not isinstance(self._peer, Server):
            return ""
        return "\n--- log of %s\n%s" % (self._peer.name,
                                        self._peer.log_tail())

    def _say(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def _expect(self, start):
        line = self._process.stdout.readline()
        if not line.startswith(start):
            self._process.kill()
            said = self._process.stderr.read().strip() or "no answer"
            raise RigError("%s: %s%s" % (self.name, said, self._log()))
        return line


def run_load(bench, peer, kind, **options):
    """One load through one peer: its figures, with CPU seconds per part."""
    load = Load(bench, peer, kind, **options)
    settled(peer)
    sink_before = bench.sink.counts()
    counters_before = peer.counters()
    before = cpu_seconds(peer)
    figures = load.run()
    after_way = cpu_seconds(peer)
    if peer.delivers_later:
        wait_until(lambda: arrived(bench.sink.counts())
                   - arrived(sink_before) >= figures["units"],
                   "the mail taken by %s" % peer.name, seconds=60, pause=0.1)
    after = settled(peer)
    load.end()
    sink_after = bench.sink.counts()
    counters = peer.counters()

    figures["cpu"] = {part: after[part] - before.get(part, 0)
                      for part in after}
    figures["cpu_on_the_way"] = sum(after_way.values()) - sum(before.values())
    figures["sink"] = {key: sink_after[key] - sink_before[key]
                       for key in sink_after}
    figures["counters"] = {key: counters[key] - counters_before.get(key, 0)
                           for key in counters}
    check(figures, load)
    return figures


def arrived(counts):
    """Messages that reached the sink unchanged."""
    return counts["exact"] + counts["prefixed"]


def check(figures, load):
    """Did everything arrive? The generator compared the bytes it got, the
    sink those it was sent."""
    if figures["units"] == 0:
        raise RigError("%s: nothing was done" % load.name)
    if load.kind == "smtp":
        came, wrong = arrived(figures["sink"]), figures["sink"]["wrong"]
        if wrong or came < figures["units"]:
            raise RigError("%s: %d sent, %d arrived, %d changed" % (
                load.name, figures["units"], came, wrong))


SECONDS_AT_REST = 4


def run_idle(bench, peer_class, directory, sessions, pushes):
    """Sessions in IDLE through a peer of their own: memory and pushes."""
    peer = peer_class(directory, bench)
    peer.start()
    try:
        warm = Load(bench, peer, "login", port=peer.port("imap"), ms=200)
        warm.run()
        warm.end()
        settled(peer)
        time.sleep(0.3)
        before = memory_kib(peer)
        load = Load(bench, peer, "idle", port=peer.port("imap"),
                    sink_port=bench.sink.imap_port, users=sessions,
                    pushes=pushes)
        # At rest: whoever gives memory back has had time to.
        time.sleep(SECONDS_AT_REST)
        memory = memory_kib(peer) - before
        before = cpu_seconds(peer)
        figures = load.run()
        after = cpu_seconds(peer)
        load.end()
        figures["kib_per_session"] = memory / sessions
        figures["cpu"] = {part: after[part] - before[part] for part in after}
        return figures
    finally:
        peer.stop()
