"""guard: keeps one server of the rig and ends everything it started.

The rig starts every server through a guard. The guard adopts whatever the
server leaves behind (daemons included), and ends all of it when the rig asks,
when the server ends, or when the rig itself dies: its standard input is a
pipe from the rig, and end of file there means that nobody waits any more.

Usage: guard.py GRACE_SECONDS DESCRIPTOR COMMAND [ARGUMENT ...]
On the descriptor it says "pid N" once the command runs, "ended" when it ends
by itself, and "exit STATUS" when all it started is gone.
Knows nothing of what the command is.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def say(descriptor, text):
    try:
        os.write(descriptor, text.encode() + b"\n")
    except OSError:
        pass  # the rig is gone: only the clean-up matters now


def descendants():
    """All processes below this one, the deepest last."""
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(name))
    found = [os.getpid()]
    for pid in found:
        found.extend(parents.get(pid, []))
    return found[1:]


def signal_quietly(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def reap(main):
    """Collect ended children. Return the status of main once it ended."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == main:
            status = ended


def end_all(main, grace):
    """Ask main to end, then end whatever is left. Return main's status."""
    status = None
    signal_quietly(main, signal.SIGTERM)
    deadline = time.monotonic() + grace
    asked_others = False
    while True:
        ended = reap(main)
        status = ended if status is None else status
        left = descendants()
        if not left:
            return status
        if status is not None and not asked_others:
            # The leader is gone; what outlives it gets one chance of its own.
            for pid in left:
                signal_quietly(pid, signal.SIGTERM)
            asked_others = True
            deadline = min(deadline, time.monotonic() + 2)
        if time.monotonic() > deadline:
            for pid in left:
                signal_quietly(pid, signal.SIGKILL)
        time.sleep(0.01)


def keep(main, grace, wakeup, status_to):
    """Wait until the rig or the server ends. Return the server's status."""
    while True:
        ready = select.select([0, wakeup], [], [])[0]
        if wakeup in ready:
            os.read(wakeup, 4096)
            status = reap(main)
            if status is not None:
                say(status_to, "ended")
                end_all(main, 0)
                return status
        if 0 in ready and not os.read(0, 4096):
            return end_all(main, grace)


def main():
    grace = float(sys.argv[1])
    status_to = int(sys.argv[2])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # A Ctrl-C in the terminal is for the rig, which then asks in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        devnull = os.open(os.devnull, os.O_RDONLY)
        os.dup2(devnull, 0)
        os.close(status_to)
        try:
            os.execvp(sys.argv[3], sys.argv[3:])
        except OSError as error:
            os.write(2, ("%s: %s\n" % (sys.argv[3], error.strerror)).encode())
            os._exit(127)
    say(status_to, "pid %d" % pid)
    status = keep(pid, grace, reader, status_to)
    say(status_to, "exit %d" % (status if status is not None else -1))


if __name__ == "__main__":
    main()
