"""wire: an IMAP and SMTP client that shows every byte.

For what the real clients hide: exact responses, commands split at any byte,
and input that no real client would send. Understands just enough of each
protocol to know where a response ends.
"""

import base64
import re
import socket
import ssl
import time

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class Closed(EOFError):
    """The peer closed; what it had sent is in args[0]."""


class Wire:
    """A connection, plain or TLS, with a buffer of received bytes."""

    def __init__(self, port, host="127.0.0.1", timeout=20.0):
        self.timeout = timeout
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.received = []  # every byte ever read, in pieces

    def start_tls(self, ca, name="localhost", **settings):
        """Begin TLS; settings go to the context (minimum_version, ...)."""
        context = ssl.create_default_context(cafile=str(ca))
        for key, value in settings.items():
            setattr(context, key, value)
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self

    def send(self, data):
        self.socket.sendall(data)

    def send_slowly(self, data, piece=1, pause=0.0):
        """Send a few bytes at a time, each in its own write."""
        for start in range(0, len(data), piece):
            self.socket.sendall(data[start:start + piece])
            if pause:
                time.sleep(pause)

    def fill(self):
        try:
            data = self.socket.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            data = b""
        if not data:
            raise Closed(self.buffer)
        self.received.append(data)
        self.buffer += data

    def line(self):
        """The next line with its CRLF."""
        while b"\n" not in self.buffer:
            self.fill()
        end = self.buffer.index(b"\n") + 1
        line, self.buffer = self.buffer[:end], self.buffer[end:]
        return line

    def exactly(self, count):
        pieces, got = [self.buffer], len(self.buffer)
        self.buffer = b""
        while got < count:
            self.fill()
            pieces.append(self.buffer)
            got += len(self.buffer)
            self.buffer = b""
        data = b"".join(pieces)
        self.buffer = data[count:]
        return data[:count]

    def rest(self, limit=1 << 26):
        """Everything until the peer closes."""
        while len(self.buffer) < limit:
            try:
                self.fill()
            except Closed:
                break
        data, self.buffer = self.buffer, b""
        return data

    def is_closed(self, seconds=5.0):
        """True when the peer closes within seconds (data is dropped)."""
        self.socket.settimeout(seconds)
        try:
            while True:
                self.fill()
        except Closed:
            return True
        except (TimeoutError, socket.timeout):
            return False
        finally:
            self.socket.settimeout(self.timeout)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Imap(Wire):
    """Raw IMAP: send a line, get back exactly what was answered."""

    def __init__(self, port, ca=None, host="127.0.0.1", timeout=20.0):
        super().__init__(port, host, timeout)
        self.ca = ca
        self.tag = 0
        if ca is not None:
            self.start_tls(ca)
        self.greeting = self.line()

    def response(self):
        """One whole response: a line with the literals it announces."""
        whole = b""
        while True:
            line = self.line()
            whole += line
            literal = _LITERAL.search(line)
            if literal is None:
                return whole
            whole += self.exactly(int(literal.group(1)))

    def until(self, prefix):
        """All responses up to and with the one that begins with prefix."""
        responses = []
        while True:
            responses.append(self.response())
            if responses[-1].startswith(prefix):
                return responses

    def command(self, text, *literals):
        """Send one command; literals are sent as the server asks for each
        ("{n}" is appended to the text before it). Returns all responses,
        the tagged one last."""
        try:
            return self._command(text, literals)
        except TimeoutError:
            raise AssertionError("no answer to %r; last came %r" % (
                text, b"".join(self.received[-3:])[-500:])) from None

    def _command(self, text, literals):
        self.tag += 1
        tag = b"t%04d" % self.tag
        if isinstance(text, str):
            text = text.encode()
        line = tag + b" " + text
        for literal in literals:
            self.send(line + b"{%d}\r\n" % len(literal))
            answers = self.until((b"+", tag))
            if answers[-1].startswith(tag):
                return answers
            line = literal
        self.send(line + b"\r\n")
        return self.until(tag + b" ")

    def ok(self, text, *literals):
        """As command(), but anything other than OK is an error."""
        answers = self.command(text, *literals)
        if answers[-1].split(b" ")[1] != b"OK":
            raise AssertionError("%r: %r" % (text, answers[-1]))
        return answers

    def login(self, user, password):
        return self.ok('LOGIN "%s" "%s"' % (
            user, password.replace("\\", "\\\\").replace('"', '\\"')))


class Smtp(Wire):
    """Raw SMTP: replies as lists of lines."""

    def __init__(self, port, ca=None, host="127.0.0.1", timeout=20.0):
        super().__init__(port, host, timeout)
        self.ca = ca
        if ca is not None:
            self.start_tls(ca)
        self.greeting = self.reply()

    def reply(self):
        lines = []
        while True:
            lines.append(self.line())
            if lines[-1][3:4] != b"-":
                return lines

    def command(self, text):
        if isinstance(text, str):
            text = text.encode()
        self.send(text + b"\r\n")
        return self.reply()

    def code(self, text):
        """The code of the reply to a command, as a number."""
        return int(self.command(text)[-1][:3])

    def login(self, user, password):
        token = base64.b64encode(b"\0" + user.encode() + b"\0"
                                 + password.encode()).decode()
        assert self.code("EHLO client.example") == 250
        reply = self.command("AUTH PLAIN " + token)
        assert reply[-1].startswith(b"235"), reply
        assert self.code("EHLO client.example") == 250

    def submit(self, sender, recipients, message):
        """One transaction; returns the reply to the data."""
        assert self.code("MAIL FROM:<%s>" % sender) == 250
        for recipient in recipients:
            reply = self.command("RCPT TO:<%s>" % recipient)
            assert reply[-1].startswith(b"250"), reply
        assert self.code("DATA") == 354
        self.send(stuffed(message) + b".\r\n")
        return self.reply()


def stuffed(message):
    """A message with CRLF line ends as it goes after DATA."""
    assert message.endswith(b"\r\n")
    return re.sub(rb"(?m)^\.", b"..", message)
