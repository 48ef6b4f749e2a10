"""SMTP to the byte: what is offered, what is answered, what arrives."""

import base64
import re

import pytest

from rig import samples, wait_until
from rig.postfix import REFUSED_RECIPIENT
from rig.wire import Smtp, stuffed

pytestmark = pytest.mark.usefixtures("submission")

QUEUE_ID = re.compile(rb"queued as [0-9A-Za-z]+")


def arrived(rig, person, count=1):
    return wait_until(
        lambda: (lambda found: len(found) >= count and found)(
            rig.dovecot.messages(person)), "mail for " + person, 30)


def content(message):
    """What the client had sent: all below the trace headers."""
    start = message.index(b"Date: Tue, 4 Mar 2025")
    return message[start:]


def test_every_message_arrives_as_it_was_sent(host, rig, user, make_user):
    person = make_user("partner.example")
    sent = samples.varied(40, seed=31)
    with host.smtp(user) as smtp:
        for message in sent:
            assert smtp.submit(user, [person], message)[-1] \
                .startswith(b"250 2.0.0")
    found = [content(message) for message in arrived(rig, person, 40)]
    assert sorted(found) == sorted(sent)


def test_message_split_at_every_byte_arrives_whole(host, rig, user,
                                                   make_user):
    person = make_user("partner.example")
    message = samples.message(5, body=".\n..\nend.\n.last\n")
    with host.smtp(user) as smtp:
        smtp.send_slowly(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                         % (user.encode(), person.encode()))
        codes = [smtp.reply()[-1][:3] for _ in range(3)]
        assert codes == [b"250", b"250", b"354"]
        smtp.send_slowly(stuffed(message) + b".\r\n")
        assert smtp.reply()[-1].startswith(b"250")
    assert content(arrived(rig, person)[0]) == message


def test_pipelined_transactions_are_answered_in_order(host, rig, user,
                                                      make_user):
    person = make_user("partner.example")
    with host.smtp(user) as smtp:
        group = (b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\n"
                 b"NOOP\r\nDATA\r\n" % (user.encode(),
                                        REFUSED_RECIPIENT.encode(),
                                        person.encode()))
        for _ in range(5):
            smtp.send(group)
            codes = [smtp.reply()[-1][:3] for _ in range(5)]
            assert codes == [b"250", b"550", b"250", b"250", b"354"]
            smtp.send(samples.message(1) + b".\r\nRSET\r\n")
            assert smtp.reply()[-1].startswith(b"250 2.0.0")
            assert smtp.reply()[-1].startswith(b"250")
    assert len(arrived(rig, person, 5)) == 5


def test_data_without_an_accepted_recipient_is_refused(host, user):
    with host.smtp(user) as smtp:
        smtp.send(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                  % (user.encode(), REFUSED_RECIPIENT.encode()))
        codes = [smtp.reply()[-1][:3] for _ in range(3)]
        assert codes[:2] == [b"250", b"550"] and codes[2] in (b"554", b"503")
        assert smtp.code("RSET") == 250


def test_extensions_offered_are_those_of_both(through, direct, user):
    words = {}
    for host in (direct, through):
        with host.smtp(user) as smtp:
            reply = smtp.command("EHLO client.example")
            words[host.name] = {line[4:].split()[0].upper()
                                for line in reply[1:]}
    assert words["gateway"] <= words["direct"]
    assert {b"PIPELINING", b"SIZE", b"8BITMIME", b"SMTPUTF8", b"DSN",
            b"ENHANCEDSTATUSCODES"} <= words["gateway"]
    assert not words["gateway"] & {b"CHUNKING", b"BINARYMIME", b"BURL",
                                   b"XCLIENT", b"STARTTLS"}


def test_parameters_and_replies_pass_unchanged(direct, through, user,
                                               make_user):
    """The same transaction gets the same replies, queue ids aside."""
    person = make_user("partner.example")
    dialogue = [
        "MAIL FROM:<%s> BODY=8BITMIME SIZE=1000 RET=HDRS ENVID=ab+2Bc" % user,
        "RCPT TO:<%s> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y.example"
        % person,
        "RCPT TO:<%s>" % REFUSED_RECIPIENT,
        "RCPT TO:<no at sign>",
        "RSET",
        "MAIL FROM:<%s> SMTPUTF8" % user,
        "RSET",
        "MAIL FROM:<>",
        "RCPT TO:<%s>" % person,
        "RSET",
        "MAIL FROM:<%s> NONSENSE=1" % user,
        "MAIL FROM:<%s> SIZE=99999999999" % user,
        # Postfix remembers the size it refused until then.
        "RSET",
    ]
    seen = []
    for host in (direct, through):
        with host.smtp(user) as smtp:
            replies = [b"".join(smtp.command(line)) for line in dialogue]
            replies.append(b"".join(smtp.submit(user, [person],
                                                samples.message(1))))
            seen.append([QUEUE_ID.sub(b"queued as X", reply)
                         for reply in replies])
    # SIZE beyond the limit: each speaks for its own.
    assert seen[0][11][:3] == seen[1][11][:3]
    del seen[0][11], seen[1][11]
    # RSET is answered by whoever is asked; its code is what matters.
    assert [reply[:3] for reply in seen[1]] == [
        reply[:3] for reply in seen[0]]
    for number in (1, 2, 3, 12):
        assert seen[1][number] == seen[0][number]


def test_login_forms(host, user):
    plain = base64.b64encode(("\0%s\0%s" % (user, host.password)).encode())
    encoded = [base64.b64encode(word.encode()).decode()
               for word in (user, host.password)]
    for lines in (["AUTH PLAIN " + plain.decode()],
                  ["AUTH PLAIN", plain.decode()],
                  ["AUTH LOGIN", *encoded],
                  ["AUTH LOGIN " + encoded[0], encoded[1]]):
        with Smtp(host.submissions_port, ca=host.ca) as smtp:
            assert smtp.code("EHLO client.example") == 250
            for line in lines[:-1]:
                assert smtp.code(line) == 334
            assert smtp.code(lines[-1]) == 235
            assert smtp.code("MAIL FROM:<%s>" % user) == 250
    with Smtp(host.submissions_port, ca=host.ca) as smtp:
        assert smtp.code("EHLO client.example") == 250
        assert smtp.code("AUTH PLAIN") == 334
        assert smtp.code("*") == 501
        # Postfix says so at RCPT only.
        assert smtp.code("MAIL FROM:<%s>" % user) in (250, 530)
        assert smtp.code("RCPT TO:<a@partner.example>") in (503, 530, 554)
