"""fake: a provider that does what a test tells it, right or wrong.

Each connection runs a function of the test in a thread of its own; what that
function raises is kept and raised again when the provider is stopped.
"""

import socket
import ssl
import threading

from . import ports


class Peer:
    """One accepted connection, from the fake provider's side."""

    def __init__(self, connection, context):
        self.socket = connection
        self.context = context
        self.buffer = b""

    def start_tls(self):
        self.socket = self.context.wrap_socket(self.socket, server_side=True)

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line without its CRLF; EOFError at the end."""
        while b"\r\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def wait_closed(self):
        """Drop what still comes until the gateway closes."""
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass


class FakeProvider:
    """Listens on a free port; behaviour(peer) serves each connection."""

    def __init__(self, certificates, behaviour, implicit_tls=True,
                 certificate="provider"):
        self.port = ports.free_port()
        self.behaviour = behaviour
        self.implicit_tls = implicit_tls
        self.connections = 0
        self._errors = []
        self._open = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.certificate(certificate),
                                      certificates.key(certificate))
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        peer = Peer(connection, self._context)
        try:
            if self.implicit_tls:
                peer.start_tls()
            self.behaviour(peer)
        except (EOFError, OSError):
            pass  # the gateway left: for the test to notice, if it matters
        except Exception as error:  # pylint: disable=broad-except
            self._errors.append(error)
        finally:
            peer.socket.close()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()
        if self._errors:
            raise self._errors[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


CAPABILITIES = b"IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS"


def imap_login(peer, capabilities=CAPABILITIES, greeting=None):
    """Greet and answer until somebody is logged in."""
    peer.send(greeting or b"* OK [CAPABILITY " + capabilities
              + b" AUTH=PLAIN AUTH=LOGIN] fake ready\r\n")
    while True:
        tag, command, *words = peer.line().split(b" ")
        command = command.upper()
        if command == b"CAPABILITY":
            peer.send(b"* CAPABILITY " + capabilities + b" AUTH=PLAIN\r\n"
                      + tag + b" OK done\r\n")
        elif command == b"ID":
            peer.send(b"* ID NIL\r\n" + tag + b" OK done\r\n")
        elif command == b"AUTHENTICATE":
            if len(words) < 2:
                peer.send(b"+ \r\n")
                peer.line()
            peer.send(tag + b" OK [CAPABILITY " + capabilities
                      + b"] logged in\r\n")
            return
        elif command == b"LOGIN":
            peer.send(tag + b" OK [CAPABILITY " + capabilities
                      + b"] logged in\r\n")
            return
        else:
            peer.send(tag + b" BAD not before the login\r\n")


def imap_serve(peer, answers):
    """Answer commands after the login: answers maps the command's name to
    bytes, or to a function of the tag. What is asked by the gateway itself
    (LIST, ID, NAMESPACE) gets an empty OK unless answers names it."""
    while True:
        tag, _, rest = peer.line().partition(b" ")
        name = rest.split(b" ")[0].upper().decode()
        answer = answers.get(name, b"")
        if callable(answer):
            answer = answer(tag)
        if answer is None:
            return
        if answer != b"" or name in answers:
            peer.send(answer)
        peer.send(tag + b" OK %s done\r\n" % name.encode())
        if name == "LOGOUT":
            return
