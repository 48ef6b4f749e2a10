"""process: one server of the rig, from start to a clean stop.

A subclass says what to run and how to see that it is ready. Starting waits
for that condition and not for seconds; stopping leaves no process behind.
"""

import os
import pathlib
import pwd
import signal
import subprocess
import sys
import threading
import time

GUARD = pathlib.Path(__file__).with_name("guard.py")
START_SECONDS = 30
STOP_SECONDS = 10
LOG_TAIL_BYTES = 6000


class RigError(Exception):
    """A server could not be started or did not do what it was asked."""


def wait_until(condition, what, seconds=10.0, pause=0.02):
    """Return the first true value of condition(); RigError after seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise RigError("waited %g s in vain: %s" % (seconds, what))
        time.sleep(pause)


def is_root():
    return os.geteuid() == 0


def identity(name):
    """The user to run as: name when root, oneself otherwise."""
    if is_root():
        try:
            return pwd.getpwnam(name)
        except KeyError:
            raise RigError("user %s is missing: is its package installed?"
                           % name) from None
    return pwd.getpwuid(os.geteuid())


def drop_to(user):
    """The command prefix that runs a program as user (a passwd entry)."""
    if not is_root() or user.pw_uid == 0:
        return []
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid",
            str(user.pw_gid), "--init-groups", "--no-new-privs"]


def give(path, user, mode):
    """Make a directory (or take an existing file) and hand it to user."""
    path = pathlib.Path(path)
    if not path.exists():
        path.mkdir(parents=True)
    os.chmod(path, mode)
    if is_root():
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def run(command, check=True, **options):
    """Run a short command; its output goes into the error when it fails."""
    done = subprocess.run([str(word) for word in command],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=options.pop("stdin", subprocess.DEVNULL),
                          timeout=options.pop("timeout", 60), **options)
    if check and done.returncode != 0:
        raise RigError("%s: exit %d: %s" % (
            command[0], done.returncode,
            done.stdout.decode("utf-8", "replace").strip()[-2000:]))
    return done


def descendants_of(pid):
    """Process ids below pid, parents before children."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as stat:
                    fields = stat.read().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(name))
            except OSError:
                continue
    found = [pid]
    for parent in found:
        found.extend(parents.get(parent, []))
    return found[1:]


def command_name(pid):
    """What the kernel calls process pid, or "" when it is gone."""
    try:
        with open("/proc/%d/comm" % pid) as comm:
            return comm.read().strip()
    except OSError:
        return ""


class Server:
    """A program the rig runs. Subclasses set name, and write prepare(),
    command() and is_ready()."""

    name = "server"
    stop_seconds = STOP_SECONDS  # between SIGTERM and SIGKILL
    never_logged = ()  # what its log must not hold when it has stopped

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.log_path = self.directory / (self.name + ".log")
        self._guard = None
        self._pid = None
        self._said = []
        self._prepared = False

    # What a subclass fills in.

    def prepare(self):
        """Write configuration and data directories; called once."""

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ, LC_ALL="C.UTF-8")

    def is_ready(self):
        """True once the server serves. May raise OSError for "not yet"."""
        raise NotImplementedError

    # What everyone uses.

    @property
    def pid(self):
        return self._pid

    def is_running(self):
        return (self._guard is not None and self._guard.poll() is None
                and "ended" not in self._said)

    def configure(self):
        """Make its directory and prepare() it, once."""
        if not self._prepared:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.prepare()
            self._prepared = True

    def start(self, wait=True):
        if self.is_running():
            return self
        self.configure()
        self._launch()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=START_SECONDS):
        try:
            wait_until(self._ready_or_dead, "%s to get ready" % self.name,
                       seconds)
        except RigError as error:
            tail = self.log_tail()
            self.stop()
            raise RigError("%s\n--- %s\n%s" % (error, self.log_path, tail)) \
                from None

    def stop(self):
        """End the server and all it started; quiet when it is not running."""
        if self._guard is None:
            return
        self._guard.stdin.close()
        self._collect()
        for text in self.never_logged:
            if text in self.log_text():
                raise RigError("%s logged %r:\n%s" % (
                    self.name, text, self.log_text().partition(text)[2]
                    [:LOG_TAIL_BYTES]))

    def kill9(self):
        """SIGKILL the server as a crash would; leaves nothing behind."""
        if self.is_running():
            os.kill(self._pid, signal.SIGKILL)
        if self._guard is not None:
            wait_until(lambda: "ended" in self._said
                       or self._guard.poll() is not None,
                       "%s to be dead" % self.name)
            self._guard.stdin.close()
            self._collect()

    def restart(self):
        self.stop()
        return self.start()

    def signal(self, number):
        os.kill(self._pid, number)

    def processes(self, name=None):
        """Process ids of the server and what it started, by name if given."""
        if not self.is_running():
            return []
        pids = [self._pid] + descendants_of(self._pid)
        return [pid for pid in pids
                if name is None or command_name(pid) == name[:15]]

    def log_size(self):
        try:
            return self.log_path.stat().st_size
        except OSError:
            return 0

    def log_text(self, start=0):
        """What it logged from byte start on."""
        try:
            return self.log_path.read_bytes()[start:].decode("utf-8",
                                                             "replace")
        except OSError:
            return ""

    def log_tail(self, start=0):
        return self.log_text(start)[-LOG_TAIL_BYTES:]

    # Underneath.

    def _launch(self):
        status_reader, status_writer = os.pipe()
        command = [sys.executable, "-I", "-S", str(GUARD), str(self.stop_seconds),
                   str(status_writer)]
        command += [str(word) for word in self.command()]
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                      0o644)

        self._said = []
        self._guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log,
            cwd=self.directory, env=self.environment(),
            pass_fds=[status_writer], start_new_session=True)
        os.close(log)
        os.close(status_writer)
        said = self._said

        def listen():
            with os.fdopen(status_reader) as lines:
                for line in lines:
                    said.append(line.strip())

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        wait_until(lambda: said or self._guard.poll() is not None,
                   "the guard of %s" % self.name)
        if not said:
            raise RigError("%s: %s" % (self.name, self.log_tail()))
        self._pid = int(said[0].split()[1])

    def _collect(self):
        try:
            self._guard.wait(self.stop_seconds + 10)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
            raise RigError("%s did not stop" % self.name) from None
        finally:
            self._listener.join(5)
            self._guard = None
            self._pid = None

    def _ready_or_dead(self):
        if not self.is_running():
            raise RigError("%s ended while starting" % self.name)
        try:
            return self.is_ready()
        except (OSError, subprocess.TimeoutExpired):
            return False
