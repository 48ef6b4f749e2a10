"""A provider that speaks SMTP wrongly, refuses, or goes away: at every stage
the client gets a clear word, and nothing is ever sent twice."""

import base64
import re
import ssl

import pytest

from conftest import host_of
from rig import samples, wait_until
from rig.fake import FakeProvider
from rig.wire import Closed, Smtp, stuffed

USER = "someone@acme.com"
PLAIN = base64.b64encode(b"\0%s\0pass" % USER.encode()).decode()
TOKEN = base64.b64encode(b"user=%s\1auth=Bearer ya29.t0ken\1\1"
                         % USER.encode()).decode()
EHLO = (b"250-fake\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n"
        b"250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
        b"250 AUTH PLAIN LOGIN XOAUTH2\r\n")


class Script:
    """An SMTP provider that does as it should, but where told otherwise:
    replies maps the first word of a command (or GREETING, CONTENT) to bytes,
    or to a function of the peer. Remembers every command."""

    def __init__(self, **replies):
        self.replies = replies
        self.commands = []
        self.messages = []

    def answer(self, peer, word, usual):
        reply = self.replies.get(word, usual)
        if callable(reply):
            reply(peer)
        elif reply is None:
            raise EOFError
        else:
            peer.send(reply)

    def __call__(self, peer):
        self.answer(peer, "GREETING", b"220 fake ESMTP\r\n")
        while True:
            line = peer.line()
            self.commands.append(line)
            word = line.split(b" ")[0].decode("latin-1").upper()
            if word == "QUIT":
                peer.send(b"221 bye\r\n")
                return
            self.answer(peer, word, {
                "EHLO": EHLO, "AUTH": b"235 2.7.0 ok\r\n",
                "DATA": b"354 go\r\n", "STARTTLS": b"220 go\r\n",
            }.get(word, b"250 2.0.0 " + word.encode() + b" ok\r\n"))
            if word == "DATA":
                self.take_content(peer)
            if word == "STARTTLS":
                peer.start_tls()

    def take_content(self, peer):
        lines = []
        while True:
            lines.append(peer.line())
            if lines[-1] == b".":
                break
        self.messages.append(b"".join(line + b"\r\n" for line in lines[:-1]))
        self.answer(peer, "CONTENT", b"250 2.0.0 queued as 1\r\n")

    def said(self, word):
        return [line for line in self.commands if line.startswith(word)]


@pytest.fixture(params=[True, False], ids=["held", "streamed"])
def before(rig, request):
    """Starts a gateway before a scripted provider; ends both. Twice: with
    messages collected whole, and passed on as they come."""
    running = []

    def make(script, quirks=None, **options):
        provider = {"smtp_tls": options.pop("smtp_tls", "implicit")}
        provider.update(options.pop("provider", {}))
        fake = FakeProvider(rig.certificates, script, **options)
        running.append(fake)
        provider["imap_port"] = provider["smtp_port"] = fake.port
        gateway = rig.gateway(
            "smtpfaults%d" % len(list(rig.directory.glob("smtpfaults*"))),
            workers=1, provider={"rig": provider},
            message={"hold_until_complete": request.param},
            limits={"connect_timeout_s": 2, "server_read_timeout_s": 2})
        running.append(gateway)
        gateway.start()
        host = host_of(gateway)
        host.gateway = gateway
        host.holds = request.param
        return host

    yield make
    for one in reversed(running):
        one.stop()


def connect(host, auth="AUTH PLAIN " + PLAIN):
    """A session with AUTH answered; the reply to AUTH is its last_reply."""
    smtp = Smtp(host.submissions_port, ca=host.ca)
    assert smtp.code("EHLO client.example") == 250
    smtp.last_reply = smtp.command(auth)
    return smtp


def begin(host):
    smtp = connect(host)
    assert smtp.last_reply[-1].startswith(b"235")
    return smtp


def envelope(smtp):
    assert smtp.code("MAIL FROM:<%s>" % USER) == 250
    assert smtp.code("RCPT TO:<bob@partner.example>") == 250
    assert smtp.code("DATA") == 354


AT_LOGIN = {
    "closes at once": {"GREETING": None},
    "421 as greeting": {"GREETING": b"421 4.3.2 busy\r\n"},
    "554 as greeting": {"GREETING": b"554 5.3.2 go away\r\n"},
    "silence": {"GREETING": lambda peer: peer.wait_closed()},
    "not SMTP": {"GREETING": b"* OK IMAP4rev1 ready\r\n"},
    "endless greeting": {"GREETING": lambda peer: [
        peer.send(b"220-more\r\n" * 1000) for _ in range(1000)]},
    "endless line": {"GREETING": lambda peer: [
        peer.send(b"220 " + b"x" * 65536) for _ in range(500)]},
    "bare LF": {"GREETING": b"220 fake\n"},
    "EHLO refused": {"EHLO": b"502 5.5.1 what\r\n"},
    "EHLO closes": {"EHLO": None},
    "no AUTH": {"EHLO": b"250-fake\r\n250 PIPELINING\r\n"},
    "changing codes": {"EHLO": b"250-fake\r\n251 AUTH PLAIN\r\n"},
    "421 to AUTH": {"AUTH": b"421 4.7.0 later\r\n"},
    "432 to AUTH": {"AUTH": b"432 4.3.2 too many sessions\r\n"},
    "454 to AUTH": {"AUTH": b"454 4.7.0 later\r\n"},
    "530 to AUTH": {"AUTH": b"530 5.7.0 STARTTLS first\r\n"},
    "538 to AUTH": {"AUTH": b"538 5.7.11 encrypt first\r\n"},
    "503 to AUTH": {"AUTH": b"503 5.5.1 no\r\n"},
    "250 to AUTH": {"AUTH": b"250 ok\r\n"},
    "endless challenges": {"AUTH": lambda peer: [
        (peer.send(b"334 eA==\r\n"), peer.line()) for _ in range(50)]},
    "AUTH closes": {"AUTH": None},
}


@pytest.mark.parametrize("name", AT_LOGIN)
def test_a_broken_provider_is_no_wrong_password(before, name):
    host = before(Script(**AT_LOGIN[name]))
    with connect(host) as smtp:
        assert smtp.last_reply[-1].startswith(b"454 4.7.0")
        # The session lives on and may try again.
        assert smtp.code("NOOP") == 250
        assert smtp.code("MAIL FROM:<%s>" % USER) == 530
        assert smtp.command("AUTH PLAIN " + PLAIN)[-1] \
            .startswith(b"454 4.7.0")


REFUSALS = [b"535-5.7.8 Username and Password\r\n535 5.7.8 not accepted\r\n",
            b"534 5.7.9 Application-specific password required\r\n",
            b"535 5.7.139 Authentication unsuccessful, disabled\r\n"]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_password_is_told_in_the_providers_words(before, refusal):
    host = before(Script(AUTH=refusal))
    with connect(host) as smtp:
        assert b"".join(smtp.last_reply) == refusal


def test_a_refused_token_is_answered_and_told(before):
    def refuse(peer):
        peer.send(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n")
        assert peer.line() == b""
        peer.send(b"535 5.7.8 token expired\r\n")

    script = Script(AUTH=refuse)
    host = before(script)
    with connect(host, "AUTH XOAUTH2 " + TOKEN) as smtp:
        assert smtp.last_reply == [b"535 5.7.8 token expired\r\n"]
    assert script.said(b"AUTH") == [b"AUTH XOAUTH2 " + TOKEN.encode()]


def test_a_long_token_goes_in_a_line_of_its_own(before):
    got = []

    def challenge(peer):
        peer.send(b"334 \r\n")
        got.append(peer.line())
        peer.send(b"235 ok\r\n")

    token = base64.b64encode(b"user=%s\1auth=Bearer %s\1\1" % (
        USER.encode(), b"x" * 8500)).decode()
    script = Script(AUTH=challenge)
    host = before(script)
    with connect(host, "AUTH XOAUTH2 " + token) as smtp:
        assert smtp.last_reply[-1].startswith(b"235")
    assert script.said(b"AUTH") == [b"AUTH XOAUTH2"]
    assert got == [token.encode()]


def test_starttls_with_injected_replies_is_no_login(before):
    seen = Script(
        EHLO=b"250-fake\r\n250 STARTTLS\r\n",
        STARTTLS=b"220 go\r\n250-fake\r\n250 AUTH PLAIN\r\n235 in\r\n")
    host = before(seen, implicit_tls=False, smtp_tls="starttls")
    with connect(host) as smtp:
        assert smtp.last_reply[-1].startswith(b"454 4.7.0")
    assert not seen.said(b"AUTH")


def test_starttls_that_is_not_offered_is_never_a_downgrade(before):
    seen = Script()
    host = before(seen, implicit_tls=False, smtp_tls="starttls")
    with connect(host) as smtp:
        assert smtp.last_reply[-1].startswith(b"454 4.7.0")
    assert seen.commands and not seen.said(b"AUTH")


def test_starttls_leads_to_a_login(before):
    tls = []

    def ehlo(peer):
        tls.append(isinstance(peer.socket, ssl.SSLSocket))
        peer.send(EHLO if tls[-1] else b"250-fake\r\n250 STARTTLS\r\n")

    script = Script(EHLO=ehlo)
    host = before(script, implicit_tls=False, smtp_tls="starttls")
    with begin(host) as smtp:
        envelope(smtp)
        message = samples.message(3)
        smtp.send(stuffed(message) + b".\r\n")
        assert smtp.reply() == [b"250 2.0.0 queued as 1\r\n"]
    assert tls == [False, True]
    assert script.messages == [stuffed(message)]


def last_words(smtp):
    """All that still comes, until the gateway closes."""
    smtp.socket.settimeout(10)
    return smtp.rest()


@pytest.mark.parametrize("word", ["MAIL", "RCPT"])
@pytest.mark.parametrize("reply", [b"421 4.3.2 bye\r\n", None,
                                   b"nonsense\r\n", b"250 half"])
def test_the_provider_leaves_before_the_content(before, word, reply):
    def half(peer):
        peer.send(reply)
        raise EOFError

    script = Script(**{word: half if reply == b"250 half" else reply})
    host = before(script)
    with begin(host) as smtp:
        smtp.send(b"MAIL FROM:<%s>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n"
                  % USER.encode())
        words = last_words(smtp)
    assert b"421 4.3" in words.splitlines()[-1]
    assert b"354" not in words


def test_the_provider_leaves_between_transactions(before):
    def accept_and_leave(peer):
        peer.send(b"250 2.0.0 queued\r\n")
        raise EOFError

    host = before(Script(CONTENT=accept_and_leave))
    with begin(host) as smtp:
        envelope(smtp)
        smtp.send(b"hello\r\n.\r\n")
        assert smtp.reply()[-1].startswith(b"250 2.0.0 queued")
        assert last_words(smtp).startswith(b"421 4.3.0")


def data(smtp, host):
    """Send DATA; where the gateway answers it by itself, the content too: the
    provider is asked only then."""
    smtp.send(b"DATA\r\n")
    if host.holds:
        assert smtp.reply()[-1].startswith(b"354")
        smtp.send(b"first\r\n.\r\n")


AT_DATA = {
    "closes": (None, b"451 4.4.2"),
    "nonsense": (b"what\r\n", b"451 4.4.2"),
    "silence": (lambda peer: peer.wait_closed(), b"451 4.4.2"),
    "250 for 354": (b"250 ok\r\n", b"451 4.4.2"),
    "421": (b"421 4.3.2 bye\r\n", b"421 4.3.2 bye"),
}


@pytest.mark.parametrize("name", AT_DATA)
def test_the_provider_leaves_at_data(before, name):
    reply, expected = AT_DATA[name]
    script = Script(DATA=reply)
    host = before(script)
    with begin(host) as smtp:
        assert smtp.code("MAIL FROM:<%s>" % USER) == 250
        assert smtp.code("RCPT TO:<bob@partner.example>") == 250
        data(smtp, host)
        assert last_words(smtp).startswith(expected)
    assert len(script.said(b"DATA")) == 1 and not script.messages


def test_data_refused_leaves_the_session_usable(before):
    class Moody(Script):
        """Refuses the first DATA."""

        def take_content(self, peer):
            if len(self.said(b"DATA")) > 1:
                super().take_content(peer)

    script = Moody(DATA=lambda peer: peer.send(
        b"354 go\r\n" if len(script.said(b"DATA")) > 1
        else b"451 4.3.0 not now\r\n"))
    host = before(script)
    with begin(host) as smtp:
        assert smtp.code("MAIL FROM:<%s>" % USER) == 250
        assert smtp.code("RCPT TO:<bob@partner.example>") == 250
        data(smtp, host)
        assert smtp.reply() == [b"451 4.3.0 not now\r\n"]
        envelope(smtp)
        smtp.send(b"again\r\n.\r\n")
        assert smtp.reply() == [b"250 2.0.0 queued as 1\r\n"]
    assert script.messages == [b"again\r\n"]


AFTER_THE_DOT = {
    "closes": None,
    "half a reply": lambda peer: (peer.send(b"250-2.0.0 q"), peer.socket
                                  .close()),
    "nonsense": b"thanks\r\n",
    "354 again": b"354 more\r\n",
}


@pytest.mark.parametrize("name", AFTER_THE_DOT)
def test_lost_after_the_dot_is_in_doubt_and_never_sent_again(before, name):
    script = Script(CONTENT=AFTER_THE_DOT[name])
    host = before(script)
    with begin(host) as smtp:
        envelope(smtp)
        smtp.send(b"hello\r\n.\r\n")
        words = last_words(smtp)
    assert words.startswith(b"451 4.4.2") and b"may have been sent" in words
    assert script.messages == [b"hello\r\n"]
    wait_until(lambda: "transaction in doubt" in host.gateway.log_text(),
               "the log", 5)


def test_refusals_of_the_message_are_the_providers_own(before):
    refusal = (b"554-5.7.1 This looks like spam.\r\n"
               b"554 5.7.1 See https://mail.example/why\r\n")
    host = before(Script(CONTENT=refusal))
    with begin(host) as smtp:
        envelope(smtp)
        smtp.send(b"hello\r\n.\r\n")
        assert b"".join(smtp.reply()) == refusal
        assert smtp.code("NOOP") == 250


def test_a_refusal_in_the_middle_of_content_is_passed_on(before):
    def refuse(peer):
        peer.send(b"354 go\r\n")
        peer.line()
        peer.send(b"552 5.3.4 enough\r\n")
        peer.wait_closed()

    host = before(Script(DATA=refuse))
    with begin(host) as smtp:
        envelope(smtp)
        smtp.send(b"x" * 70 + b"\r\n")
        smtp.send((b"y" * 70 + b"\r\n") * 60000 + b".\r\n")
        assert smtp.reply() == [b"552 5.3.4 enough\r\n"]


def test_what_the_provider_lacks_is_refused_and_not_left_out(before):
    script = Script(EHLO=b"250-fake\r\n250 AUTH PLAIN\r\n")
    host = before(script)
    with begin(host) as smtp:
        for line, code in (
                ("MAIL FROM:<%s> SMTPUTF8" % USER, b"550 5.6.7"),
                ("MAIL FROM:<%s> BODY=8BITMIME" % USER, b"554 5.6.3"),
                ("MAIL FROM:<%s> RET=FULL" % USER, b"555 5.5.4"),
                ("MAIL FROM:<%s> REQUIRETLS" % USER, b"550 5.7.30"),
                ("MAIL FROM:<%s> MT-PRIORITY=3" % USER, b"555 5.5.4")):
            assert smtp.command(line)[-1].startswith(code), line
        assert not script.said(b"MAIL")
        # SIZE and 7BIT are understood here, and left out there.
        assert smtp.code("MAIL FROM:<%s> SIZE=5 BODY=7BIT" % USER) == 250
        assert smtp.code("RCPT TO:<b@c.example> NOTIFY=NEVER") == 555
        assert smtp.code("RCPT TO:<b@c.example>") == 250
    assert script.said(b"MAIL") == [b"MAIL FROM:<%s>" % USER.encode()]


def test_commands_wait_where_the_provider_has_no_pipelining(before):
    early = []

    def slowly(reply):
        def answer(peer):
            peer.socket.settimeout(0.3)
            try:
                early.append(peer.socket.recv(1))
            except (TimeoutError, ssl.SSLError):
                pass
            peer.socket.settimeout(None)
            peer.send(reply)
        return answer

    host = before(Script(EHLO=b"250-fake\r\n250 AUTH PLAIN\r\n",
                         MAIL=slowly(b"250 m\r\n"),
                         RCPT=slowly(b"250 r\r\n")))
    with begin(host) as smtp:
        smtp.send(b"MAIL FROM:<%s>\r\nRCPT TO:<b@c.example>\r\n"
                  b"RCPT TO:<d@c.example>\r\nDATA\r\n" % USER.encode())
        codes = [smtp.reply()[-1][:3] for _ in range(4)]
        assert codes == [b"250", b"250", b"250", b"354"]
    assert early == []


def test_no_credential_reaches_the_log(before):
    host = before(Script(AUTH=b"535 5.7.8 no\r\n"))
    with connect(host) as smtp:
        assert smtp.last_reply[-1].startswith(b"535")
    with connect(host, "AUTH XOAUTH2 " + TOKEN) as smtp:
        assert smtp.last_reply[-1].startswith(b"535")
    log = host.gateway.log_text()
    assert re.search("login refused", log)
    for secret in (PLAIN, TOKEN, "ya29", "t0ken", "pass\n", "\0pass"):
        assert secret not in log


def test_a_client_that_leaves_at_its_dot_does_not_stop_the_message(before):
    script = Script()
    host = before(script)
    smtp = begin(host)
    envelope(smtp)
    smtp.send(b"hello\r\n.\r\n")
    try:
        smtp.reply()
    except Closed:
        pass
    smtp.close()
    wait_until(lambda: script.messages == [b"hello\r\n"], "the message", 5)
