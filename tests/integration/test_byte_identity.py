"""The client sees every byte as the provider sent it.

The same recorded session runs on twins, mailboxes equal to the last index
file: directly, through the gateway with the tap on, and through the gateway
in a domain nobody inspects. All that was received must be the same.
"""

import base64
import re

import pytest

from rig import samples
from rig.dovecot import ODD_PASSWORDS
from rig.wire import Imap

CAPABILITY = re.compile(rb"\[CAPABILITY [^\]]*\]|^\* CAPABILITY .*?\r\n",
                        re.M)
# Dovecot says how long a command took; time is nobody's promise.
TIMING = re.compile(rb" \(\d+\.\d+ \+ \d+\.\d+(?: \+ \d+\.\d+)? secs\)")

# Rows: a command, then the literals it sends.
SESSION = [
    ('ID ("name" "recorder" "version" NIL)',),
    ("NAMESPACE",),
    ("ENABLE QRESYNC CONDSTORE",),
    ('LIST "" "*"',),
    ('LIST (SPECIAL-USE) "" "*" RETURN (STATUS (MESSAGES UIDNEXT) CHILDREN)',),
    ('LSUB "" "*"',),
    ('XLIST "" "*"',),
    ("STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE)",),
    ("SELECT INBOX (CONDSTORE)",),
    ("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",),
    ("FETCH 1:* FULL",),
    ("FETCH 1:5 (BODY.PEEK[])",),
    ("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM SUBJECT MESSAGE-ID)])",),
    ("FETCH 2 (BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED)] BODY.PEEK[TEXT])",),
    ("FETCH 4 (BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[2]<0.100>)",),
    ("FETCH 1 (BODY.PEEK[]<0.64>)",),
    ("FETCH 1 (BODY.PEEK[]<64.100000>)",),
    ("FETCH 4 (BINARY.PEEK[2] BINARY.SIZE[2])",),
    ("FETCH 6 (RFC822.HEADER)",),
    ("FETCH 6 (RFC822 RFC822.TEXT)",),
    ("FETCH 1:3 (PREVIEW)",),
    ("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",),
    ("SEARCH RETURN (ALL COUNT MIN MAX) SUBJECT Order",),
    ("SEARCH CHARSET UTF-8 SUBJECT ", "Gr\u00fc\u00dfe".encode()),
    ("UID SEARCH RETURN () OR TEXT ", b"pieces", b"FROM zofia"),
    ("SORT (REVERSE DATE SUBJECT) UTF-8 ALL",),
    ("THREAD REFERENCES UTF-8 ALL",),
    (r"STORE 1:3 +FLAGS (\Seen $Junk custom)",),
    (r"STORE 2 (UNCHANGEDSINCE 1) -FLAGS (\Seen)",),
    (r"UID STORE 4:6 FLAGS.SILENT (\Flagged)",),
    ("COPY 1:2 Archive",),
    ("MOVE 3 Trash",),
    (r'APPEND INBOX (\Seen) "04-Mar-2025 10:00:00 +0000" ',
     samples.message(500)),
    ("APPEND Drafts ", samples.message(501, body="{5}\n* BYE no\n")),
    ('APPEND "no such folder" ', samples.message(502)),
    ("NOOP",),
    ("CHECK",),
    (r"STORE 5 +FLAGS (\Deleted)",),
    ("UID EXPUNGE 5",),
    ("EXPUNGE",),
    ("GETQUOTAROOT INBOX",),
    ("GETACL Archive",),
    ("MYRIGHTS Archive",),
    ("LISTRIGHTS Archive anyone",),
    # No literal: Dovecot forgets to ask for it when the line came in pieces.
    ('SETMETADATA INBOX (/private/comment "a remark")',),
    ("GETMETADATA INBOX (/private/comment)",),
    ("CREATE Kunden/2025/M&APw-ller",),
    ("RENAME Kunden/2025/M&APw-ller Kunden/2025/Meyer",),
    ('SUBSCRIBE "Kunden/2025/Meyer"',),
    ('LIST "" "Kunden/*"',),
    ("DELETE Kunden/2025/Meyer",),
    ("UNSELECT",),
    ("EXAMINE INBOX (QRESYNC (1 1))",),
    ("FETCH 1 (NO-SUCH-ITEM)",),
    ("FETCH 99 (FLAGS)",),
    ("NOSUCHCOMMAND with (some {arguments})",),
    ('SELECT "unterminated',),
    ("SELECT Nowhere",),
    ("SELECT Drafts",),
    ("FETCH 1 (BODY[])",),
    ("CLOSE",),
]


def record(connection, user, slowly=False):
    """Run the session; everything received, less what is known to differ."""
    before = len(b"".join(connection.received))
    quick = connection.send
    for text, *literals in SESSION:
        # Dovecot 2.3 itself, with nothing between, now and then never answers
        # a SETMETADATA whose literal comes in single bytes.
        slow = slowly and not text.startswith("SETMETADATA")
        connection.send = (lambda data: connection.send_slowly(data)
                           if len(data) < 600 else quick(data)) \
            if slow else quick
        connection.command(text, *literals)
    connection.send(b"x1 SELECT INBOX\r\nx2 IDLE\r\n")
    connection.until(b"+")
    connection.send(b"DONE\r\nx3 NOOP\r\nx4 LOGOUT\r\n")
    connection.until(b"x4 ")
    received = b"".join(connection.received)[before:] + connection.rest()
    return normal(received, user)


# RFC 9051 7.3.1: whether a server says so depends on what it happens to have
# looked at since the folder was last opened.
MARKED = re.compile(rb" ?\\(?:Un)?Marked")


def normal(received, user):
    received = MARKED.sub(b"", received)
    received = CAPABILITY.sub(b"[CAPABILITY]", received)
    received = TIMING.sub(b"", received)
    return received.replace(user.encode(), b"USER")


@pytest.fixture
def twins(rig, make_user):
    """Makes equal mailboxes, one in each domain named."""
    def make(*domains):
        first = make_user(domains[0])
        rig.dovecot.seed(first, samples.varied(12, seed=21, largest=9000))
        imap = rig.dovecot.connect(first)
        for folder in ("INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"):
            assert imap.select(folder)[0] == "OK"
        imap.logout()
        users = [first] + [make_user(domain) for domain in domains[1:]]
        for user in users[1:]:
            rig.dovecot.copy(first, user)
        return users
    return make


def assert_same(one, other):
    """As ==, but shows the first response that differs."""
    for mine, yours in zip(one.split(b"\r\n"), other.split(b"\r\n")):
        assert mine == yours
    assert one == other


def test_two_direct_sessions_on_twins_are_identical(direct, twins):
    one, other = twins("acme.com", "acme.com")
    assert_same(record(direct.imap(one), one),
                record(direct.imap(other), other))


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
def test_session_is_identical_with_tap_on_and_off(direct, through, twins,
                                                  slowly):
    one, tapped, untapped = twins("acme.com", "acme.com", "other.example")
    expected = record(direct.imap(one), one)
    assert len(expected) > 30000
    assert_same(record(through.imap(tapped), tapped, slowly), expected)
    assert_same(record(through.imap(untapped), untapped, slowly), expected)


def test_pipelined_session_is_identical(direct, through, twins):
    """Everything in one write, with literals that do not wait."""
    one, tapped = twins("acme.com", "acme.com")
    seen = []
    for host, user in ((direct, one), (through, tapped)):
        with host.imap(user) as connection:
            connection.received.clear()
            lines = [b"x SELECT INBOX\r\n"]
            for number in range(300):
                lines.append(b"p%d FETCH %d (FLAGS BODY.PEEK[])\r\n"
                             % (number, number % 12 + 1))
            message = samples.message(77)
            lines.append(b"a APPEND INBOX {%d+}\r\n%s\r\n"
                         % (len(message), message))
            lines.append(b"z LOGOUT\r\n")
            connection.send(b"".join(lines))
            responses = connection.until(b"z ")
            assert connection.rest() == b""
            seen.append([normal(one, user) for one in responses])
    # Dovecot runs pipelined commands side by side: their order is its own.
    assert len(seen[0]) > 600
    assert sorted(seen[1]) == sorted(seen[0])


def test_every_split_of_a_response_and_a_command_is_harmless(through, rig,
                                                             user):
    """One byte to a write, with quoted braces and literals in between."""
    rig.dovecot.seed(user, [samples.message(1)])
    with Imap(through.imaps_port, ca=through.ca) as imap:
        imap.send_slowly(b"a LOGIN {%d}\r\n" % len(user))
        imap.until(b"+")
        imap.send_slowly(user.encode() + b" \"%s\"\r\n"
                         % through.password.encode())
        assert imap.until(b"a ")[-1].startswith(b"a OK")
        imap.send_slowly(b'b SELECT "INBOX"\r\nc CREATE "odd{5}"\r\n'
                         b'd CREATE {4+}\r\nplus\r\ne LIST "" "%"\r\n')
        listed = b"".join(imap.until(b"e "))
        assert b"odd{5}" in listed and b"plus" in listed
        imap.send_slowly(b"f FETCH 1 (BODY.PEEK[])\r\n")
        assert samples.message(1) in b"".join(imap.until(b"f "))


def test_login_forms_reach_the_provider_alike(host, user):
    """Atoms, quoted strings and literals; AUTHENTICATE with and without an
    initial response."""
    password = host.password
    plain = base64.b64encode(("\0%s\0%s" % (user, password)).encode())
    forms = [
        [b"LOGIN %s %s" % (user.encode(), password.encode())],
        [b'LOGIN "%s" "%s"' % (user.encode(), password.encode())],
        [b"LOGIN ", user.encode(), b" ", password.encode()],
        [b"AUTHENTICATE PLAIN " + plain],
    ]
    for text, *literals in forms:
        with Imap(host.imaps_port, ca=host.ca) as imap:
            if literals:
                imap.send(b"a LOGIN {%d}\r\n" % len(literals[0]))
                imap.until(b"+")
                imap.send(literals[0] + b" {%d}\r\n" % len(literals[2]))
                imap.until(b"+")
                imap.send(literals[2] + b"\r\n")
                assert imap.until(b"a ")[-1].startswith(b"a OK")
            else:
                imap.ok(text)
            imap.ok("SELECT INBOX")
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.send(b"a AUTHENTICATE PLAIN\r\n")
        imap.until(b"+")
        imap.send(plain + b"\r\n")
        assert imap.until(b"a ")[-1].startswith(b"a OK")
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.send(b"a AUTHENTICATE LOGIN\r\n")
        imap.until(b"+")
        imap.send(base64.b64encode(user.encode()) + b"\r\n")
        imap.until(b"+")
        imap.send(base64.b64encode(password.encode()) + b"\r\n")
        assert imap.until(b"a ")[-1].startswith(b"a OK")


def test_odd_passwords_pass_unharmed(host):
    for user, password in ODD_PASSWORDS.items():
        with Imap(host.imaps_port, ca=host.ca) as imap:
            imap.send(b"a LOGIN %s {%d+}\r\n%s\r\n" % (
                user.encode(), len(password.encode()), password.encode()))
            assert imap.until(b"a ")[-1].startswith(b"a OK"), user


def test_wrong_password_is_the_clients_fault_and_retry_works(host, user):
    with Imap(host.imaps_port, ca=host.ca) as imap:
        answer = imap.command('LOGIN "%s" "nonsense"' % user)[-1]
        assert b" NO [AUTHENTICATIONFAILED]" in answer
        imap.login(user, host.password)
        imap.ok("SELECT INBOX")


def test_commands_pipelined_behind_the_login_are_carried_once(host, user):
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.send(b'a LOGIN "%s" "%s"\r\nb SELECT INBOX\r\nc NOOP\r\n' % (
            user.encode(), host.password.encode()))
        seen = b"".join(imap.until(b"c "))
        assert seen.count(b"b OK") == 1 and seen.count(b"c OK") == 1


def test_masked_capabilities_are_not_offered(through, user):
    with through.imap(user) as imap:
        listed = b"".join(imap.ok("CAPABILITY"))
        words = listed.split()
        for name in (b"COMPRESS=DEFLATE", b"UNAUTHENTICATE", b"CATENATE",
                     b"URLAUTH", b"REPLACE", b"LOGIN-REFERRALS"):
            assert name not in words
        for name in (b"IMAP4rev1", b"IDLE", b"CONDSTORE", b"QRESYNC",
                     b"MOVE", b"ESEARCH", b"NOTIFY", b"METADATA", b"ACL",
                     b"QUOTA", b"SPECIAL-USE", b"LITERAL+", b"BINARY"):
            assert name in words


def test_notify_reports_other_folders(host, direct, user):
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("STATUS Archive (MESSAGES)")
        imap.ok("NOTIFY SET STATUS (selected (MessageNew (FLAGS) "
                "MessageExpunge)) (personal (MessageNew MessageExpunge))")
        with direct.imap(user) as other:
            other.ok("APPEND Archive ", samples.message(1))
        assert b"Archive (MESSAGES 1" in imap.until(b"* STATUS")[-1]
