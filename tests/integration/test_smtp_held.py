"""A message is collected whole before the provider sees a byte of it, within
a budget; told not to, the gateway passes it on as it comes."""

import contextlib
import json

import pytest

from conftest import host_of
from rig import samples, wait_until
from rig.fake import FakeProvider
from rig.wire import Smtp, stuffed
from test_smtp_provider_faults import PLAIN, USER, Script

HALF = b"Subject: half\r\n\r\n" + b"the first half of it\r\n" * 4000


@contextlib.contextmanager
def before(rig, script, **message):
    """One worker before a scripted provider."""
    with FakeProvider(rig.certificates, script) as fake:
        gateway = rig.gateway(
            "held%d" % len(list(rig.directory.glob("held*"))), workers=1,
            message=message,
            provider={"rig": {"imap_port": fake.port,
                              "smtp_port": fake.port}})
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()


def at_data(gateway):
    """A session that was told to send its content."""
    host = host_of(gateway)
    smtp = Smtp(host.submissions_port, ca=host.ca)
    assert smtp.code("EHLO client.example") == 250
    assert smtp.code("AUTH PLAIN " + PLAIN) == 235
    assert smtp.code("MAIL FROM:<%s>" % USER) == 250
    assert smtp.code("RCPT TO:<p@partner.example>") == 250
    assert smtp.code("DATA") == 354
    return smtp


def held_bytes(gateway):
    status = json.loads(gateway.cli("status", "--json").stdout)
    return status["metrics"]["postern_message_bytes_held"]


@pytest.mark.parametrize("hold", [True, False], ids=["held", "streamed"])
def test_the_provider_sees_a_message_when_it_should(rig, hold):
    script = Script()
    with before(rig, script, hold_until_complete=hold) as gateway:
        with at_data(gateway) as smtp:
            smtp.send(HALF)
            if hold:
                wait_until(lambda: held_bytes(gateway) >= len(HALF) * 9 // 10,
                           "the first half to be held")
            assert bool(script.said(b"DATA")) == (not hold)
            rest = b".a dot\r\nend\r\n"
            smtp.send(stuffed(rest) + b".\r\n")
            assert smtp.reply() == [b"250 2.0.0 queued as 1\r\n"]
        assert script.messages == [HALF + b"..a dot\r\nend\r\n"]
        assert held_bytes(gateway) == 0


def test_a_client_that_leaves_in_the_middle_sends_nothing(rig):
    script = Script()
    with before(rig, script) as gateway:
        smtp = at_data(gateway)
        smtp.send(HALF)
        wait_until(lambda: held_bytes(gateway) > 0, "something to be held")
        smtp.close()
        wait_until(lambda: held_bytes(gateway) == 0, "it to be let go")
        assert not script.said(b"DATA")


def test_beyond_the_budget_a_message_may_come_again_later(rig):
    script = Script()
    big = samples.message(1, size=300000)
    with before(rig, script, message_budget_bytes="512K") as gateway:
        with at_data(gateway) as first, at_data(gateway) as second:
            first.send(stuffed(big))
            wait_until(lambda: held_bytes(gateway) >= len(big) * 9 // 10,
                       "the first to be held")
            second.send(stuffed(big) + b".\r\n")
            assert second.reply()[-1].startswith(b"452 4.3.1")
            first.send(b".\r\n")
            assert first.reply()[-1].startswith(b"250")
        with at_data(gateway) as third:
            third.send(stuffed(big) + b".\r\n")
            assert third.reply()[-1].startswith(b"250")
        assert len(script.messages) == 2
        wait_until(lambda: held_bytes(gateway) == 0, "nothing to be held")
