"""stress: a provider whose every byte is known, and clients for it that do
random things, legal and not. All dice are seeded.

A legal session is a list of steps made before it runs: bytes to send, and
exactly the bytes that must come. What the provider answers follows from the
command alone, so the list is right for any splitting and any pipelining.
"""

import base64
import functools
import hashlib
import random
import re
import socket
import ssl
import struct
import time

from .wire import Closed, Wire

CAPS = b"IMAP4rev1 SASL-IR LITERAL+ IDLE COMPRESS=DEFLATE UNSELECT"
CAPS_SHOWN = CAPS.replace(b" COMPRESS=DEFLATE", b"")
# For so long the provider waits for an odd client, or says nothing itself.
SILENCE_S = 6
PASSWORD = "stress-pass-word"
REFUSED = b"Refused"
EHLO = (b"250-fake\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n"
        b"250 AUTH PLAIN\r\n")
# Who says so: the gateway, or the provider.
GO = {True: b"354 End data with <CR><LF>.<CR><LF>\r\n", False: b"354 go\r\n"}
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")


@functools.lru_cache(None)
def body(number):
    """Message number: bytes that look like protocol wherever they are cut."""
    dice = random.Random(number)
    traps = (b"\r\na1 OK done\r\n", b"* BYE x\r\n", b"{5}\r\n", b")\r\n",
             b"\r\n.\r\n", b"\0", b"\n.\n", b"+ go\r\n")
    pieces = []
    for _ in range(dice.randrange(1, 30)):
        pieces += [dice.randbytes(dice.randrange(0, 3000)), dice.choice(traps)]
    return b"".join(pieces)


def imap_answer(command):
    """What the provider says to a command, before its tagged line."""
    words = command.split(b" ")
    name = words[0].upper()
    if name == b"SELECT":
        return (b"* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n"
                b"* OK [UIDVALIDITY 7] fine\r\n")
    if name == b"FETCH":
        content = body(int(words[1]))
        return (b"* 1 FETCH (UID %d BODY[] {%d}\r\n%s FLAGS ())\r\n"
                % (int(words[1]), len(content), content))
    if name == b"SEARCH":
        return b'* SEARCH 1 2 3\r\n* LIST () "/" "{5}"\r\n'
    if name == b"CAPABILITY":
        return b"* CAPABILITY " + CAPS + b"\r\n"
    if name == b"LOGOUT":
        return b"* BYE leaving\r\n"
    return b""


# -- the provider --

class Fault(Exception):
    """The provider stops to behave."""


class Provider:
    """Behaviour for FakeProvider: what comes is kept by mailbox. A mailbox
    whose name begins with "odd" gets a provider that errs."""

    def __init__(self, seed):
        self.seed = seed
        self.appended = {}
        self.sent = {}

    def imap(self, peer):
        _guarded(Imap(self, peer).run)

    def smtp(self, peer):
        _guarded(Smtp(self, peer).run)


def _guarded(run):
    try:
        run()
    except (Fault, EOFError, OSError, ValueError, IndexError,
            AttributeError):
        pass  # odd clients say odd things; legal ones notice that they ended


class Side:
    """One connection of the provider."""

    def __init__(self, provider, peer):
        self.provider = provider
        self.peer = peer
        self.user = ""
        self.dice = None
        self.steps_left = None
        peer.socket.settimeout(SILENCE_S)

    def logged_in(self, user):
        self.user = user
        if user.startswith("legal"):
            self.peer.socket.settimeout(60)
        if user.startswith("odd"):
            self.dice = random.Random("%s %d" % (user, self.provider.seed))
            self.steps_left = self.dice.randrange(0, 12)

    def send(self, data):
        if self.dice is None:
            self.peer.send(data)
            return
        if self.steps_left == 0:
            self.fail(data)
        self.steps_left -= 1
        if self.dice.random() < 0.3 and len(data) < 2000:
            for start in range(0, len(data), 3):
                self.peer.send(data[start:start + 3])
        else:
            self.peer.send(data)

    def fail(self, data):
        kind = self.dice.randrange(8)
        if kind == 0:
            self.peer.send(data[:self.dice.randrange(len(data) + 1)])
        elif kind == 1:
            self.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        struct.pack("ii", 1, 0))
        elif kind == 2:
            self.peer.send(self.dice.randbytes(self.dice.randrange(1, 3000)))
        elif kind == 3:
            self.peer.send(data + data)  # one answer too many
        elif kind == 4:
            self.silence()
        elif kind == 5:
            self.peer.send(self.dice.choice([
                b"421 4.3.2 going\r\n", b"* BYE going\r\n", b"+\r\n",
                b"354 go\r\n", b"250-", b"* 1 FETCH (BODY[] {99999999}\r\nx",
                b"* CAPABILITY", b"a OK [CAPABILITY IMAP4rev1", b"\n",
                b"* OK [REFERRAL imap://elsewhere/]\r\n", b"\0" * 100]))
            self.silence()
        elif kind == 6:
            self.peer.send(data[:len(data) // 2])
            time.sleep(0.2)
            self.peer.socket.shutdown(socket.SHUT_RDWR)
        else:
            self.peer.send(b"* 1 EXPUNGE\r\n" * 3000)
        raise Fault

    def silence(self):
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline and self.peer.socket.recv(65536):
            pass

    def content(self, size):
        peer = self.peer
        while len(peer.buffer) < size:
            data = peer.socket.recv(65536)
            if not data:
                raise EOFError
            peer.buffer += data
        data, peer.buffer = peer.buffer[:size], peer.buffer[size:]
        return data


class Imap(Side):
    def run(self):
        self.peer.send(b"* OK [CAPABILITY " + CAPS + b" AUTH=PLAIN] fake\r\n")
        while True:
            tag, _, line = self.peer.line().partition(b" ")
            self.command(tag, line)

    def command(self, tag, line):
        name = line.split(b" ")[0].upper()
        if name == b"AUTHENTICATE":
            words = base64.b64decode(line.split(b" ")[2]).split(b"\0")
            if words[2].decode() != PASSWORD:
                self.send(tag + b" NO [AUTHENTICATIONFAILED] no\r\n")
                return
            self.logged_in(words[1].decode())
            self.send(tag + b" OK [CAPABILITY " + CAPS + b"] in\r\n")
        elif name == b"APPEND":
            self.append(tag, line)
        elif name == b"IDLE":
            self.send(b"+ idling\r\n* 4 EXISTS\r\n")
            if self.peer.line().upper() != b"DONE":
                raise Fault
            self.send(tag + b" OK done\r\n")
        else:
            self.send(imap_answer(line) + tag + b" OK done\r\n")
            if name == b"LOGOUT":
                raise EOFError

    def append(self, tag, line):
        while True:
            literal = _LITERAL.search(line)
            if literal is None:
                break
            if not literal.group(2):
                if REFUSED in line:
                    self.send(tag + b" NO [TRYCREATE] no\r\n")
                    return
                self.send(b"+ go\r\n")
            content = self.content(int(literal.group(1)))
            self.provider.appended.setdefault(self.user, []).append(
                hashlib.sha256(content).digest())
            line = self.peer.line()
        self.send(tag + b" OK done\r\n")


class Smtp(Side):
    def run(self):
        self.peer.send(b"220 fake\r\n")
        accepted = 0
        while True:
            line = self.peer.line()
            word = line.split(b" ")[0].upper()
            if word == b"EHLO":
                self.peer.send(EHLO)
            elif word == b"AUTH":
                words = base64.b64decode(line.split(b" ")[2]).split(b"\0")
                if words[2].decode() != PASSWORD:
                    self.send(b"535 5.7.8 no\r\n")
                    continue
                self.logged_in(words[1].decode())
                self.send(b"235 2.7.0 in\r\n")
            elif word == b"RCPT":
                refused = REFUSED in line
                accepted += not refused
                self.send(b"550-5.1.1 no\r\n550 5.1.1 no\r\n" if refused
                          else b"250 2.1.5 ok\r\n")
            elif word == b"DATA":
                self.send(b"354 go\r\n")
                self.message()
                accepted = 0
            elif word == b"QUIT":
                self.send(b"221 bye\r\n")
                return
            else:
                self.send(b"250 2.0.0 %s ok\r\n" % word)

    def message(self):
        lines = []
        while not lines or lines[-1] != b".":
            lines.append(self.peer.line())
        digest = hashlib.sha256(b"\r\n".join(lines)).digest()
        self.provider.sent.setdefault(self.user, []).append(digest)
        self.send(b"250 2.0.0 queued\r\n")


# -- legal sessions --

def plain(user, password=PASSWORD):
    return base64.b64encode(b"\0%s\0%s" % (user.encode(), password.encode()))


class Steps:
    """What to send and what must come. Sends are joined as long as nobody
    has to wait and what is to come fits into the buffers between."""

    def __init__(self, dice):
        self.dice = dice
        self.steps = []
        self.sending = b""
        self.awaited = []
        self.pipelines = dice.random() < 0.6

    def add(self, sent, awaited, wait=False):
        self.sending += sent
        self.awaited.append(awaited)
        if (wait or not self.pipelines or self.dice.random() < 0.2
                or len(self.sending) + sum(map(len, self.awaited)) > 32768):
            self.flush()

    def flush(self):
        if self.awaited or self.sending:
            self.steps.append((self.sending, b"".join(self.awaited)))
        self.sending, self.awaited = b"", []


def imap_steps(dice, user, appended):
    steps = Steps(dice)
    number = 0

    def tag():
        nonlocal number
        number += 1
        return b"%s%d" % (dice.choice([b"a", b"P", b"tag."]), number)

    imap_login_steps(dice, steps, tag(), user)
    for _ in range(dice.randrange(1, 15)):
        kind = dice.randrange(10)
        mine = tag()
        if kind < 3:
            text = b"FETCH %d BODY[]" % dice.randrange(1, 60)
            steps.add(mine + b" " + text + b"\r\n",
                      imap_answer(text) + mine + b" OK done\r\n")
        elif kind < 5:
            append_steps(dice, steps, mine, appended)
        elif kind == 5:
            wait = dice.random() < 0.5
            steps.add(mine + b" IDLE\r\n", b"+ idling\r\n* 4 EXISTS\r\n",
                      wait)
            steps.add(b"DONE\r\n", mine + b" OK done\r\n")
        elif kind == 6:
            text = dice.choice([b"COMPRESS DEFLATE", b"UNAUTHENTICATE",
                                b"LOGIN x {3+}\r\nyyy", b"STARTTLS",
                                b"AUTHENTICATE PLAIN =", b"login {900}"])
            steps.add(mine + b" " + text + b"\r\n",
                      mine + b" BAD This command is not available here.\r\n",
                      wait=text.endswith(b"}"))
        elif kind == 7:
            steps.add(mine + b" CAPABILITY\r\n", b"* CAPABILITY " + CAPS_SHOWN
                      + b"\r\n" + mine + b" OK done\r\n")
        else:
            text = dice.choice([b"NOOP", b"SELECT INBOX", b'SELECT "{5}"',
                                b"SEARCH ALL"])
            steps.add(mine + b" " + text + b"\r\n",
                      imap_answer(text) + mine + b" OK done\r\n")
    mine = tag()
    steps.add(mine + b" LOGOUT\r\n",
              b"* BYE leaving\r\n" + mine + b" OK done\r\n")
    steps.flush()
    return steps.steps


def imap_login_steps(dice, steps, tag, user):
    quoted = b'"%s"' % user.encode()
    # What asks for "+" may have another command behind it, too.
    done = tag + b" OK [CAPABILITY " + CAPS_SHOWN + b"] Logged in.\r\n"
    kind = dice.randrange(4)
    if kind == 0:
        steps.add(tag + b" LOGIN " + quoted + b' "%s"\r\n'
                  % PASSWORD.encode(), done)
    elif kind == 1:
        steps.add(tag + b" LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n" % (
            len(user), user.encode(), len(PASSWORD), PASSWORD.encode()),
            done)
    elif kind == 2:
        steps.add(tag + b" LOGIN " + quoted + b" {%d}\r\n" % len(PASSWORD),
                  b"+ OK\r\n", wait=True)
        steps.add(PASSWORD.encode() + b"\r\n", done)
    else:
        steps.add(tag + b" AUTHENTICATE PLAIN " + plain(user) + b"\r\n", done)


def append_steps(dice, steps, tag, appended):
    content = dice.randbytes(dice.choice([0, 1, 100, 5000, 200000]))
    if dice.random() < 0.3:
        steps.add(tag + b" APPEND %s {%d}\r\n" % (REFUSED, len(content)),
                  tag + b" NO [TRYCREATE] no\r\n", wait=True)
        return
    appended.append(hashlib.sha256(content).digest())
    if dice.random() < 0.5:
        steps.add(tag + b" APPEND Sent (\\Seen) {%d}\r\n" % len(content),
                  b"+ go\r\n", wait=True)
        steps.add(content + b"\r\n", tag + b" OK done\r\n")
    else:
        steps.add(tag + b" APPEND Drafts {%d+}\r\n%s\r\n" % (
            len(content), content), tag + b" OK done\r\n")


def smtp_steps(dice, user, sent, hold=True):
    """After the login. hold: the gateway gives leave to send, not the
    provider."""
    steps = Steps(dice)
    for _ in range(dice.randrange(1, 5)):
        for _ in range(dice.randrange(0, 3)):
            word = dice.choice([b"NOOP", b"RSET", b"VRFY x"])
            steps.add(word + b"\r\n",
                      b"250 2.0.0 %s ok\r\n" % word.split(b" ")[0])
        transaction_steps(dice, steps, user, sent, hold)
    steps.add(b"QUIT\r\n", b"221 2.0.0 Bye\r\n")
    steps.flush()
    return steps.steps


def transaction_steps(dice, steps, user, sent, hold):
    steps.add(b"MAIL FROM:<%s>\r\n" % user.encode(),
              b"250 2.0.0 MAIL ok\r\n")
    for number in range(dice.randrange(0, 4)):
        steps.add(b"RCPT TO:<%s%d@partner.example>\r\n" % (REFUSED, number),
                  b"550-5.1.1 no\r\n550 5.1.1 no\r\n")
    if dice.random() < 0.2:
        steps.add(b"RSET\r\n", b"250 2.0.0 RSET ok\r\n")
        return
    steps.add(b"RCPT TO:<p@partner.example>\r\n", b"250 2.1.5 ok\r\n")
    steps.add(b"DATA\r\n", GO[hold], wait=True)
    lines = [b"Message-ID: <%d@x>" % dice.getrandbits(60), b""]
    for _ in range(dice.choice([0, 3, 50, 3000])):
        lines.append(dice.choice([b"", b"..", b"...", b"text", b"x" * 900,
                                  b"MAIL FROM:<x@y>", b"..\xff\xfe"]))
    lines.append(b".")
    sent.append(hashlib.sha256(b"\r\n".join(lines)).digest())
    steps.add(b"\r\n".join(lines) + b"\r\n", b"250 2.0.0 queued\r\n")


def send_in_pieces(dice, wire, data):
    """Split where it may hurt; a TLS record and a segment for each piece."""
    if dice.random() < 0.5 or len(data) > 20000:
        cuts = sorted(dice.randrange(len(data) + 1) for _ in range(3))
    else:
        step = dice.randrange(1, 400) if len(data) > 400 else 1
        cuts = list(range(step, len(data), step))
    start = 0
    for end in cuts + [len(data)]:
        if end > start:
            wire.send(data[start:end])
        start = end


def play(dice, wire, steps):
    """Run a legal session; AssertionError where a byte differs."""
    for sent, awaited in steps:
        if sent:
            send_in_pieces(dice, wire, sent)
        got = wire.exactly(len(awaited))
        assert got == awaited, (sent[-300:], first_difference(got, awaited))


def first_difference(got, awaited):
    for at, (one, other) in enumerate(zip(got, awaited)):
        if one != other:
            return at, got[max(0, at - 60):at + 100], awaited[at:at + 60]
    return None


def open_imap(dice, host):
    """Over either port; the greeting is read."""
    if dice.random() < 0.7:
        wire = Wire(host.imaps_port).start_tls(host.ca)
        assert wire.line().startswith(b"* OK")
        return wire
    wire = Wire(host.imap_port)
    assert wire.line().startswith(b"* OK")
    wire.send(b"s STARTTLS\r\n")
    assert wire.line().startswith(b"s OK")
    return wire.start_tls(host.ca)


def open_smtp(dice, host, user, password=PASSWORD):
    if dice.random() < 0.7:
        wire = Wire(host.submissions_port).start_tls(host.ca)
        until(wire, b"220 ")
    else:
        wire = Wire(host.submission_port)
        until(wire, b"220 ")
        wire.send(b"EHLO c.example\r\n")
        until(wire, b"250 ")
        wire.send(b"STARTTLS\r\n")
        until(wire, b"220 ")
        wire.start_tls(host.ca)
    wire.send(b"EHLO c.example\r\n")
    until(wire, b"250 ")
    wire.send(b"AUTH PLAIN " + plain(user, password) + b"\r\n")
    return wire


def until(wire, start):
    while True:
        line = wire.line()
        if line.startswith(start):
            return
        assert line[3:4] == b"-", line


# -- sessions that are not legal --

def leave(dice, wire):
    """End a connection in one of the ways there are."""
    raw = wire.socket
    kind = dice.randrange(4)
    try:
        if kind == 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
        elif kind == 1:
            raw.shutdown(socket.SHUT_WR)
            drain(wire, 0.3)
        elif kind == 2 and isinstance(raw, ssl.SSLSocket):
            raw.settimeout(0.3)
            raw = raw.unwrap()
    except (OSError, ValueError):
        pass
    raw.close()
    wire.close()


def flip(dice, data):
    """A few bytes changed, lost, doubled or put in."""
    data = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = dice.randrange(256)
        elif kind == 1:
            del data[at:at + dice.randrange(1, 20)]
        elif kind == 2:
            data[at:at] = data[at:at + dice.randrange(1, 100)]
        else:
            data[at:at] = dice.choice([
                b"\r", b"\n", b"\0", b"{5}\r\n", b"{99999999999}\r\n", b'"',
                b"\r\n.\r\n", b"\n.\n", b"DONE\r\n", b"\\", b"{0+}\r\n"])
    return bytes(data)


def odd_session(dice, host, number):
    """Something that no client should do; nothing is expected of it but
    that it ends."""
    user = dice.choice(["odd%d@acme.com", "fine%d@acme.com"]) % number
    kind = dice.randrange(8)
    ports = (host.imap_port, host.imaps_port, host.submission_port,
             host.submissions_port)
    if kind == 0:
        wire = Wire(dice.choice(ports), timeout=5)
        wire.send(dice.randbytes(dice.randrange(1, 2000)))
    elif kind == 1:
        wire = Wire(dice.choice(ports[1::2]), timeout=5)
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
                  + dice.randbytes(dice.randrange(0, 600)))
    elif kind == 2:
        wire = Wire(dice.choice(ports[1::2]), timeout=5).start_tls(host.ca)
        wire.send(dice.randbytes(dice.randrange(1, 40000)))
    elif kind == 3:
        wire = never_reads(dice, host, user)
    elif kind in (4, 5):
        wire = open_imap(dice, host)
        data = b"".join(sent for sent, _ in imap_steps(dice, user, []))
        wire.send(spoiled(dice, data))
    else:
        wire = open_smtp(dice, host, user,
                         dice.choice([PASSWORD, PASSWORD, "wrong"]))
        data = b"".join(sent for sent, _ in smtp_steps(dice, user, []))
        if dice.random() < 0.8:
            wire.fill()
        wire.send(spoiled(dice, data))
    drain(wire, dice.choice([0.05, 0.3, 1.0]))
    leave(dice, wire)


def drain(wire, seconds):
    """Read what comes, but not for longer than that."""
    deadline = time.monotonic() + seconds
    wire.socket.settimeout(seconds)
    try:
        while time.monotonic() < deadline:
            wire.fill()
            wire.buffer = b""
    except (Closed, OSError):
        pass


def spoiled(dice, data):
    kind = dice.randrange(3)
    if kind == 0:
        return data[:dice.randrange(len(data) + 1)]
    if kind == 1:
        return flip(dice, data)
    return data  # all of it at once, waiting for nothing


def never_reads(dice, host, user):
    wire = open_imap(dice, host)
    wire.send(b'a LOGIN "%s" "%s"\r\n' % (user.encode(), PASSWORD.encode()))
    wire.socket.settimeout(0.5)
    try:
        for _ in range(dice.randrange(1, 50)):
            wire.send(b"b FETCH 7 BODY[]\r\nc CAPABILITY\r\n" * 50)
    except OSError:
        pass
    return wire


def legal_session(dice, host, provider, number, hold):
    """A session that must work, to the byte."""
    user = "legal%d@acme.com" % number
    if dice.random() < 0.5:
        appended = []
        steps = imap_steps(dice, user, appended)
        with open_imap(dice, host) as wire:
            play(dice, wire, steps)
            assert wire.rest() == b""
        assert provider.appended.get(user, []) == appended
        return
    sent = []
    steps = smtp_steps(dice, user, sent, hold)
    with open_smtp(dice, host, user) as wire:
        until(wire, b"235 ")
        play(dice, wire, steps)
        assert wire.rest() == b""
    assert provider.sent.get(user, []) == sent
