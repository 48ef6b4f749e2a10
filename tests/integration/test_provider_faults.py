"""A provider that is wrong, hostile or away: the client gets a clear word."""

import pytest

from conftest import host_of
from rig.fake import CAPABILITIES, FakeProvider, imap_login, imap_serve
from rig.wire import Imap, Smtp, Closed

USER = "someone@acme.com"


@pytest.fixture
def before(rig):
    """Starts gateways before providers of the test; ends them after it."""
    running = []

    def make(behaviour=None, port=None, **options):
        provider = {"imap_tls": options.pop("imap_tls", "implicit"),
                    "smtp_tls": options.pop("smtp_tls", "implicit")}
        if behaviour is not None:
            fake = FakeProvider(rig.certificates, behaviour, **options)
            running.append(fake)
            port = fake.port
        provider["imap_port"] = provider["smtp_port"] = port
        gateway = rig.gateway(
            "faults%d" % len(list(rig.directory.glob("faults*"))),
            workers=1, provider={"rig": provider},
            limits={"connect_timeout_s": 2, "server_read_timeout_s": 2})
        running.append(gateway)
        gateway.start()
        return host_of(gateway)

    yield make
    for one in reversed(running):
        one.stop()


def refusal(host):
    """How the gateway answers an IMAP login that cannot succeed."""
    with Imap(host.imaps_port, ca=host.ca) as imap:
        answer = imap.command('LOGIN "%s" "secret"' % USER)[-1]
        # Nothing was wrong with the client: it may go on talking.
        imap.ok("CAPABILITY")
    return answer


def smtp_refusal(host):
    with Smtp(host.submissions_port, ca=host.ca) as smtp:
        assert smtp.code("EHLO client.example") == 250
        return smtp.command("AUTH PLAIN AHVzZXJAYWNtZS5jb20AcGFzcw==")[-1]


def test_provider_away_is_unavailable_and_never_a_wrong_password(before):
    host = before(port=1)
    assert b" NO [UNAVAILABLE]" in refusal(host)
    assert smtp_refusal(host).startswith(b"454 4.")


@pytest.mark.parametrize("kind", ["wrong_name", "expired", "unknown"])
def test_certificate_that_does_not_verify_is_no_provider(before, rig, kind):
    getattr(rig.certificates, "issue_" + kind)()
    told = []

    def behaviour(peer):
        told.append(peer.line())  # nothing may ever arrive here

    host = before(behaviour, certificate=kind.replace("_", "-"))
    assert b" NO [UNAVAILABLE]" in refusal(host)
    assert smtp_refusal(host).startswith(b"454 4.")
    assert told == []


IMAP_FAULTS = {
    "closes at once": lambda peer: None,
    "silence": lambda peer: peer.wait_closed(),
    "BYE as greeting": lambda peer: peer.send(b"* BYE full\r\n"),
    "PREAUTH": lambda peer: (
        peer.send(b"* PREAUTH IMAP4rev1 ready\r\n"), peer.wait_closed()),
    "no IMAP at all": lambda peer: (
        peer.send(b"220 mail.example ESMTP\r\n"), peer.wait_closed()),
    "endless greeting": lambda peer: [
        peer.send(b"* OK " + b"x" * 65536) for _ in range(500)],
    "endless untagged responses": lambda peer: (
        peer.send(b"* OK ready\r\n"),
        [peer.send(b"* OK more of this\r\n" * 1000) for _ in range(5000)]),
    "huge literal as greeting": lambda peer: (
        peer.send(b"* OK {99999999999}\r\n"), peer.wait_closed()),
    "NUL bytes": lambda peer: (
        peer.send(b"* OK \0\0\0\r\n\0\0\0\0\r\n"), peer.wait_closed()),
    "BYE during the login": lambda peer: (
        peer.send(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n"),
        peer.line(), peer.send(b"* BYE shutting down\r\n")),
    "not IMAP4rev1": lambda peer: (
        peer.send(b"* OK [CAPABILITY IMAP2 AUTH=PLAIN] hi\r\n"),
        imap_login(peer, b"IMAP2", b"")),
}


@pytest.mark.parametrize("name", IMAP_FAULTS)
def test_imap_provider_fault_at_login_is_unavailable(before, name):
    host = before(IMAP_FAULTS[name])
    assert b" NO [UNAVAILABLE]" in refusal(host)


def test_refusal_codes_are_kept_and_texts_are_not(before):
    codes = iter([b"[AUTHENTICATIONFAILED] secret hint",
                  b"[UNAVAILABLE] db01 is down", b"[EXPIRED] on Monday",
                  b"[LIMIT] too many", b"it is raining"])
    expected = [b"[AUTHENTICATIONFAILED]", b"[UNAVAILABLE]", b"[EXPIRED]",
                b"[LIMIT]", b"NO"]

    def behaviour(peer):
        peer.send(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n")
        while True:
            tag, command = peer.line().split(b" ")[:2]
            if command.upper() == b"AUTHENTICATE":
                peer.send(tag + b" NO " + next(codes) + b"\r\n")
                peer.wait_closed()
                return
            peer.send(tag + b" OK done\r\n")

    host = before(behaviour)
    for code in expected:
        answer = refusal(host)
        assert code in answer, answer
        for secret in (b"hint", b"db01", b"raining"):
            assert secret not in answer


def test_starttls_response_injection_is_dropped(before):
    """Plain text behind the provider's OK must not be read as inside TLS."""
    def behaviour(peer):
        peer.send(b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] x\r\n")
        tag = peer.line().split(b" ")[0]
        while True:
            peer.send(tag + b" OK begin\r\n* OK [CAPABILITY IMAP4rev1 "
                      b"AUTH=PLAIN X-INJECTED] injected\r\n"
                      b"a OK injected login\r\n")
            break
        peer.start_tls()
        imap_login(peer, greeting=b"")
        imap_serve(peer, {})

    host = before(behaviour, implicit_tls=False, imap_tls="starttls")
    answer = refusal(host)
    assert b"INJECTED" not in answer.upper()
    assert b" NO [UNAVAILABLE]" in answer or b" OK " in answer


def test_starttls_that_is_not_offered_is_never_a_downgrade(before):
    seen = []

    def behaviour(peer):
        peer.send(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] no tls here\r\n")
        while True:
            line = peer.line()
            seen.append(line)
            peer.send(line.split(b" ")[0] + b" BAD no\r\n")

    host = before(behaviour, implicit_tls=False, imap_tls="starttls")
    assert b" NO [UNAVAILABLE]" in refusal(host)
    assert not any(b"LOGIN" in line.upper() or b"AUTH" in line.upper()
                   for line in seen)


def test_every_mask_is_applied_wherever_capabilities_are_told(before):
    wide = CAPABILITIES + (b" COMPRESS=DEFLATE UNAUTHENTICATE CATENATE "
                           b"URLAUTH REPLACE X-OWN")

    def behaviour(peer):
        imap_login(peer, wide)
        imap_serve(peer, {
            "CAPABILITY": b"* CAPABILITY " + wide + b"\r\n",
            "NOOP": b"* OK [CAPABILITY " + wide + b"] again\r\n",
            "ENABLE": b"* ENABLED X\r\n* CAPABILITY " + wide + b"\r\n"})

    host = before(behaviour)
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.send(b'a LOGIN "%s" "x"\r\n' % USER.encode())
        seen = b"".join(imap.until(b"a "))
        for command in ("CAPABILITY", "NOOP", "ENABLE X"):
            seen += b"".join(imap.ok(command))
    assert b"X-OWN" in seen
    for name in (b"COMPRESS", b"UNAUTHENTICATE", b"CATENATE", b"URLAUTH",
                 b"REPLACE"):
        assert name not in seen


def test_odd_but_legal_responses_pass_unchanged(before):
    odd = (b"* FLAGS (\\Seen {3}\r\nx)\r\n* 1 FETCH (BODY[] ~{5}\r\n\0\r\n\0a"
           b" FLAGS ())\r\n* 1 FETCH (X-GM-LABELS (\"\\\\Inbox\" \"{5}\") "
           b"BODY[HEADER]<0> {2}\r\n\r\n BODY[TEXT] \"q{9}\")\r\n"
           b"* VANISHED (EARLIER) 1:5\r\n* ESEARCH (TAG \"a\") UID\r\n"
           b"* XSOMETHING NIL {0}\r\n\r\n* OK [X-NEW (a b)] t\xc3\xa4xt\r\n")

    def behaviour(peer):
        imap_login(peer)
        imap_serve(peer, {"SELECT": b"* 1 EXISTS\r\n", "FETCH": odd})

    host = before(behaviour)
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.login(USER, "x")
        imap.ok("SELECT INBOX")
        imap.received.clear()
        imap.send(b"z FETCH 1 ALL\r\n")
        imap.socket.settimeout(5)
        while not b"".join(imap.received).endswith(b"z OK FETCH done\r\n"):
            imap.fill()
        assert b"".join(imap.received) == odd + b"z OK FETCH done\r\n"


def test_malformed_responses_end_one_session_and_no_other(before):
    def behaviour(peer):
        imap_login(peer)
        imap_serve(peer, {
            "SELECT": b"* 1 EXISTS\r\n",
            "FETCH": lambda tag: peer.send(
                b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n") or b"",
            "SEARCH": lambda tag: peer.send(
                b"* SEARCH " + b"(" * 200000 + b"\r\n") or b""})

    host = before(behaviour)
    with Imap(host.imaps_port, ca=host.ca) as witness:
        witness.login(USER, "x")
        for command in ("FETCH 1 BODY[]", "SEARCH ALL"):
            with Imap(host.imaps_port, ca=host.ca) as imap:
                imap.login(USER, "x")
                imap.ok("SELECT INBOX")
                try:
                    imap.command(command)
                except (Closed, TimeoutError):
                    pass
            witness.ok("NOOP")


def test_refusal_before_the_literals_size_was_whole_asks_for_nothing(before):
    """Dovecot may refuse an APPEND once it has read the folder's name."""
    def behaviour(peer):
        imap_login(peer)
        for _ in range(2):
            while b"{10}" not in peer.buffer:
                if b"\r\n" in peer.buffer:  # asked by the gateway itself
                    peer.send(peer.line().split(b" ")[0] + b" OK done\r\n")
                    continue
                peer.buffer += peer.socket.recv(100)
            peer.send(peer.buffer.split(b" ")[0] + b" NO no such folder\r\n")
            peer.line()
        imap_serve(peer, {})

    host = before(behaviour)
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.login(USER, "x")
        for tag in (b"a", b"b"):
            imap.send(tag + b" APPEND nowhere {10}")
            assert imap.until(tag)[-1].startswith(tag + b" NO")
            imap.send(b"\r\n")
        imap.ok("NOOP")


def test_request_for_a_literal_may_overtake_the_end_of_the_line(before):
    """Dovecot says + once it has read the size, before the CRLF behind it."""
    def behaviour(peer):
        imap_login(peer)
        for _ in range(2):
            while b"{10}" not in peer.buffer:
                if b"\r\n" in peer.buffer:  # asked by the gateway itself
                    peer.send(peer.line().split(b" ")[0] + b" OK done\r\n")
                    continue
                peer.buffer += peer.socket.recv(100)
            peer.send(b"+ go\r\n")
            tag = peer.line().split(b" ")[0]
            assert peer.line() == b"0123456789"
            peer.send(tag + b" OK taken\r\n")
        imap_serve(peer, {})

    host = before(behaviour)
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.login(USER, "x")
        for tag in (b"a", b"b"):
            imap.send(tag + b" APPEND INBOX {10}")
            assert imap.until(b"+")[-1] == b"+ go\r\n"
            imap.send(b"\r\n")
            imap.send(b"0123456789")
            imap.send(b"\r\n")
            assert imap.until(tag)[-1] == tag + b" OK taken\r\n"
        imap.ok("NOOP")


def test_provider_that_goes_away_later_ends_the_session(before):
    def behaviour(peer):
        imap_login(peer)
        imap_serve(peer, {"SELECT": lambda tag: None})

    host = before(behaviour)
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.login(USER, "x")
        imap.send(b"a SELECT INBOX\r\n")
        assert imap.is_closed()
