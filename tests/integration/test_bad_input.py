"""Hostile clients: a clear protocol error, others unharmed, memory bounded."""

import socket
import ssl
import time

import pytest

from conftest import host_of
from rig import samples, wait_until
from rig.wire import Closed, Imap, Smtp, Wire
from test_large import allowed_kib, resident_kib

# Sent before any login, on the port with TLS from the start. After each, the
# gateway has said BAD, NO or BYE, or has closed.
IMAP_BEFORE_LOGIN = {
    "endless line": b"a LOGIN " + b"x" * (1 << 20),
    "huge literal": b"a LOGIN {99999999999}\r\n",
    "literal beyond 64 bits": b"a LOGIN {99999999999999999999999}\r\n",
    "huge literal that does not wait": b"a LOGIN {99999999999+}\r\n",
    "negative literal": b"a LOGIN {-1}\r\n",
    "text after a literal's size": b"a LOGIN {3} x\r\n",
    "NUL in a command": b"a LOG\0IN x y\r\n",
    "NUL in a string": b'a LOGIN "a\0b" "c"\r\n',
    "8-bit in a quoted string": b'a LOGIN "a\xff" "c"\r\n',
    "no command": b"a\r\n",
    "nothing": b"\r\n",
    "only spaces": b"      \r\n",
    "unknown command": b"a EHLO example\r\n",
    "command of after the login": b"a SELECT INBOX\r\n",
    "SMTP spoken to IMAP": b"EHLO client.example\r\n",
    "HTTP spoken to IMAP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unterminated string": b'a LOGIN "abc\r\n',
    "bad base64": b"a AUTHENTICATE PLAIN !!!!\r\n",
    "control bytes in a user name":
        b"a AUTHENTICATE PLAIN AHgNCnkAeg==\r\n",
    "unknown mechanism": b"a AUTHENTICATE GSSAPI YWJj\r\n",
    "endless SASL line": b"a AUTHENTICATE PLAIN\r\n" + b"A" * (1 << 20),
    "many literals": b"a LOGIN " + b"{1+}\r\nx" * 1000 + b"\r\n",
    "TLS inside TLS":
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50 + b"\r\n",
}


def answered(connection, seconds=10):
    """What came back until the gateway closed or spoke a whole line."""
    connection.socket.settimeout(seconds)
    try:
        while b"\r\n" not in connection.buffer:
            connection.fill()
    except Closed:
        return connection.buffer or b"closed"
    return connection.buffer


@pytest.mark.parametrize("name", IMAP_BEFORE_LOGIN)
def test_imap_nonsense_before_the_login_is_answered(through, user, name):
    with through.imap(user) as witness, \
            Imap(through.imaps_port, ca=through.ca) as imap:
        try:
            imap.send(IMAP_BEFORE_LOGIN[name])
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # refused while still being sent
        if name == "unterminated string":
            imap.send(b"\r\n")
        answer = answered(imap)
        assert any(word in answer.upper() for word in
                   (b"BAD", b"NO ", b"BYE", b"CLOSED", b"+ ")), answer
        if answer.startswith(b"+"):  # it went on to ask for the response
            imap.send(b"*\r\n")
        witness.ok("NOOP")


def test_imap_starttls_drops_what_came_before_the_handshake(through, user):
    with Imap(through.imap_port) as imap:
        imap.send(b"a STARTTLS\r\nb CAPABILITY\r\nc LOGIN injected x\r\n")
        assert imap.line().startswith(b"a OK")
        try:
            imap.buffer = b""
            imap.start_tls(through.ca)
            imap.socket.settimeout(1)
            imap.fill()
        except (Closed, ssl.SSLError, ConnectionResetError):
            return  # closing is the strictest answer
        except TimeoutError:
            # Silence: neither was run. The session works from anew.
            imap.socket.settimeout(10)
            imap.login(user, through.password)
            return
        pytest.fail("answered what came before the handshake: %r"
                    % imap.buffer)


def test_smtp_starttls_drops_what_came_before_the_handshake(through, user):
    with Smtp(through.submission_port) as smtp:
        assert smtp.code("EHLO client.example") == 250
        smtp.send(b"STARTTLS\r\nMAIL FROM:<injected@acme.com>\r\n")
        assert smtp.line().startswith(b"220")
        try:
            smtp.buffer = b""
            smtp.start_tls(through.ca)
            smtp.socket.settimeout(1)
            smtp.fill()
        except (Closed, ssl.SSLError, ConnectionResetError):
            return
        except TimeoutError:
            smtp.socket.settimeout(10)
            smtp.login(user, through.password)
            return
        pytest.fail("answered what came before the handshake: %r"
                    % smtp.buffer)


def test_plain_text_logins_are_refused(through, user):
    with Imap(through.imap_port) as imap:
        listed = b"".join(imap.ok("CAPABILITY"))
        assert b"STARTTLS" in listed and b"LOGINDISABLED" in listed
        answer = imap.command('LOGIN "%s" "%s"' % (user, through.password))
        assert b" NO " in answer[-1] or b" BAD " in answer[-1]
    with Smtp(through.submission_port) as smtp:
        reply = b"".join(smtp.command("EHLO client.example"))
        assert b"STARTTLS" in reply and b"AUTH" not in reply
        assert smtp.code("AUTH PLAIN AGEAYg==") in (502, 503, 504, 530, 538)


def test_old_tls_is_refused(through):
    context = ssl.create_default_context(cafile=through.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("localhost", through.imaps_port)) as raw:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(raw, server_hostname="localhost")


def test_slow_and_silent_clients_are_closed(rig):
    gateway = rig.gateway("slow-gateway", limits={"preauth_timeout_s": 2})
    gateway.program("posternd")
    gateway.start()
    try:
        host = host_of(gateway)
        began = time.monotonic()
        silent = Wire(host.imaps_port)  # never begins its handshake
        quiet = Imap(host.imap_port)  # never says anything
        drip = Imap(host.imaps_port, ca=host.ca)
        mail = Smtp(host.submissions_port, ca=host.ca)
        for piece in (b"a ", b"L", b"O", b"G"):
            drip.send(piece)
            time.sleep(0.3)
        for connection in (silent, quiet, drip, mail):
            assert connection.is_closed(8)
            connection.close()
        assert time.monotonic() - began < 12
    finally:
        gateway.stop()


def test_imap_nonsense_after_the_login_reaches_only_its_own_session(
        through, gateway, user):
    """The provider judges it; the gateway carries it and keeps its head."""
    before = resident_kib(gateway, "posternd")
    with through.imap(user) as witness:
        for nonsense in (b"a SELECT {99999999999}\r\n",
                         b"a FETCH 1 (BODY[" + b"(" * 200000 + b"\r\n",
                         b"a APPEND INBOX {99999999999+}\r\n",
                         b"a " + b"x" * (1 << 20) + b"\r\n",
                         b"a SELECT \"\0\0\0\"\r\n",
                         b"\0" * 10000 + b"\r\n",
                         b"DONE\r\n" * 100,
                         b"a NOOP\n" * 50):
            with through.imap(user) as imap:
                try:
                    imap.send(nonsense)
                except (OSError, ssl.SSLError):
                    pass
                assert answered(imap, 5)
            witness.ok("NOOP")
    assert resident_kib(gateway, "posternd") - before \
        < allowed_kib(gateway, 24)


SMTP_ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n", "CRLF.CR": b"\r\n.\r",
    "bare LF": b"one\ntwo\r\n", "bare CR": b"one\rtwo\r\n",
}


@pytest.mark.parametrize("name", SMTP_ENDS)
def test_smtp_bare_line_ends_are_refused_and_nothing_is_smuggled(
        through, rig, user, make_user, name, submission):
    victim = make_user("victim.example")
    with through.smtp(user) as smtp:
        assert smtp.code("MAIL FROM:<%s>" % user) == 250
        assert smtp.code("RCPT TO:<%s>" % victim) == 250
        assert smtp.code("DATA") == 354
        smtp.send(b"Subject: outer\r\n\r\nhello" + SMTP_ENDS[name]
                  + b"MAIL FROM:<evil@acme.com>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                    b"Subject: smuggled\r\n\r\nevil\r\n.\r\n"
                  % victim.encode())
        reply = smtp.reply()
        assert reply[-1].startswith(b"554 5.5.2"), reply
        assert smtp.is_closed()
    with through.smtp(user) as smtp:  # the order shows nothing was queued
        smtp.submit(user, [victim], samples.message(1))
    found = wait_until(lambda: rig.dovecot.messages(victim), "a message", 20)
    assert len(found) == 1 and b"Subject: Order 1\r\n" in found[0]


SMTP_COMMANDS = {
    "endless line": (b"x" * (1 << 20), b"5"),
    "NUL": (b"MAIL FROM:<a\0b@acme.com>\r\n", b"5"),
    "unknown": (b"FROBNICATE\r\n", b"50"),
    "RCPT without MAIL": (b"RCPT TO:<a@b.example>\r\n", b"503"),
    "DATA without RCPT": (b"DATA\r\n", b"503"),
    "BDAT": (b"BDAT 10 LAST\r\n", b"5"),
    "BURL": (b"BURL imap://x LAST\r\n", b"5"),
    "XCLIENT": (b"XCLIENT ADDR=127.0.0.1\r\n", b"5"),
    "second AUTH": (b"AUTH PLAIN AGEAYg==\r\n", b"503"),
    "bad path": (b"MAIL FROM: someone else\r\n", b"5"),
    "bare LF": (b"NOOP\nRSET\r\n", b"5"),
}


@pytest.mark.parametrize("name", SMTP_COMMANDS)
def test_smtp_nonsense_is_answered(through, user, name, submission):
    nonsense, code = SMTP_COMMANDS[name]
    with through.smtp(user) as witness, through.smtp(user) as smtp:
        try:
            smtp.send(nonsense)
            answer = smtp.reply()[-1]
        except (Closed, OSError, ssl.SSLError):
            answer = b"closed"
        assert answer.startswith((code, b"421", b"closed")), answer
        assert witness.code("NOOP") == 250


def test_smtp_message_beyond_the_limit_is_refused(rig, user, make_user,
                                                  submission):
    gateway = rig.gateway("small-gateway",
                          message={"max_message_bytes": "1M"})
    gateway.program("posternd")
    gateway.start()
    try:
        host = host_of(gateway)
        person = make_user("partner.example")
        with host.smtp(user) as smtp:
            reply = b"".join(smtp.command("EHLO client.example"))
            assert b"SIZE 1048576" in reply
            assert smtp.code("MAIL FROM:<%s> SIZE=1048577" % user) == 552
            assert smtp.code("MAIL FROM:<%s>" % user) == 250
            assert smtp.code("RCPT TO:<%s>" % person) == 250
            assert smtp.code("DATA") == 354
            smtp.send(samples.message(1, size=3 << 20) + b".\r\n")
            assert smtp.reply()[-1].startswith(b"552 5.3.4")
            assert smtp.code("RSET") in (250, 421)
        with host.smtp(user) as smtp:
            assert smtp.submit(user, [person], samples.message(2))[-1] \
                .startswith(b"250")
    finally:
        gateway.stop()
