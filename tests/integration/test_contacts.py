"""Mail that passes teaches contacts; what must teach nothing does not."""

import itertools
import os
import signal
import time

import pytest

from conftest import host_of
from rig import clients, samples, wait_until
from rig.wire import Imap

_numbers = itertools.count(1)


class Directory:
    """The contacts as they stand in PostgreSQL."""

    def __init__(self, postgresql):
        self.postgresql = postgresql

    def contact(self, email):
        """One contact as a dictionary, or None."""
        columns = ("name", "title", "company", "sighting_count",
                   "phones::text")
        rows = self.postgresql.query(
            "SELECT %s FROM postern.contact_card WHERE email = '%s'"
            % (", ".join(columns), email))
        return dict(zip(columns, rows[0])) if rows else None

    def wait_for(self, email, seconds=15):
        return wait_until(lambda: self.contact(email),
                          "a contact for " + email, seconds, pause=0.1)


@pytest.fixture
def directory(postgresql, writer):
    return Directory(postgresql)


def new_person(domain="partner.example"):
    """An address that nobody has heard of."""
    return "person%d-%d@%s" % (os.getpid(), next(_numbers), domain)


def message_from(person, name="Anna Weber", **options):
    return samples.message(next(_numbers) + 100000,
                           sender="%s <%s>" % (name, person), **options)


def fetch_all(host, user, folder="INBOX", items="FLAGS BODY.PEEK[]"):
    with host.imap(user) as imap:
        imap.ok('SELECT "%s"' % folder)
        return imap.ok("FETCH 1:* (%s)" % items)


def with_curl(host, user, tmp_path, _):
    clients.curl(host, user, "INBOX;MAILINDEX=1")


def with_mbsync(host, user, tmp_path, _):
    clients.mbsync(host, user, tmp_path)


def with_neomutt(host, user, tmp_path, _):
    clients.neomutt(host, user, tmp_path,
                    keys="<display-message><exit><exit>")


def with_imapflow(host, user, _, node_modules):
    clients.node("imapflow_read.mjs", host.imaps_port, user, host.password,
                 host.ca, cwd=node_modules)


def with_idle(host, user, _, __):
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
        imap.send(b"i IDLE\r\n")
        imap.until(b"+")
        imap.send(b"DONE\r\nf UID FETCH 1:* (UID BODY.PEEK[])\r\n")
        imap.until(b"f ")


@pytest.mark.parametrize("read", [with_curl, with_mbsync, with_neomutt,
                                  with_imapflow, with_idle],
                         ids=lambda read: read.__name__)
def test_mail_read_by_any_program_teaches_its_author(
        through, rig, user, directory, tmp_path, node_modules, read):
    person = new_person()
    rig.dovecot.seed(user, [message_from(person)])
    read(through, user, tmp_path, node_modules)
    # A program that lists headers first teaches the name before the rest.
    wait_until(lambda: (directory.contact(person) or {}).get("title"),
               "the signature's lines", 15, pause=0.1)
    found = directory.contact(person)
    assert found["name"] == "Anna Weber"
    assert found["title"] == "Head of Purchasing"
    assert found["company"] == "Partner GmbH"
    assert "+498932168123" in found["phones::text"]
    assert found["sighting_count"] == "1"


def test_ones_own_mail_is_outgoing_in_every_folder(through, rig, user,
                                                    directory):
    person = new_person()
    rig.dovecot.seed(user, [samples.message(
        next(_numbers) + 100000, sender="Me <%s>" % user, recipient=person)])
    fetch_all(through, user)
    directory.wait_for(person)
    assert directory.postgresql.query(
        "SELECT direction, folder, role FROM postern.sighting JOIN "
        "postern.contact USING (organization_id, contact_id) "
        "WHERE email = '%s'" % person) == [["out", "inbox", "recipient"]]


FETCHES = {
    "whole": ["BODY[]"],
    "old": ["RFC822"],
    "peek and flags": ["UID FLAGS BODY.PEEK[] INTERNALDATE"],
    "header then text": ["BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]"],
    "text then header": ["BODY.PEEK[TEXT]", "BODY.PEEK[HEADER]"],
    "in one": ["BODY.PEEK[HEADER] BODY.PEEK[TEXT]"],
    "slices": ["BODY.PEEK[]<%d.100>" % start for start in range(0, 900, 100)],
    "slices backwards": ["BODY.PEEK[]<%d.100>" % start
                         for start in range(800, -1, -100)],
    "header and part 1": ["BODY.PEEK[HEADER] BODYSTRUCTURE", "BODY.PEEK[1]"],
    "twice": ["BODY.PEEK[]", "BODY.PEEK[]"],
}


@pytest.mark.parametrize("name", FETCHES)
def test_every_way_to_fetch_teaches_once(through, rig, user, directory,
                                         name):
    person = new_person()
    rig.dovecot.seed(user, [message_from(person)])
    with through.imap(user) as imap:
        imap.ok("SELECT INBOX")
        for items in FETCHES[name]:
            imap.ok("UID FETCH 1:* (%s)" % items)
        imap.ok("UNSELECT")
    # The header may be filed by itself first; the body adds to it.
    directory.wait_for(person)
    wait_until(lambda: "+498932168123"
               in directory.contact(person)["phones::text"],
               "the number in the body", 15, pause=0.1)
    found = directory.contact(person)
    assert found["name"] == "Anna Weber"
    assert found["sighting_count"] == "1"


def test_the_same_message_read_again_counts_once(through, rig, user,
                                                 directory):
    person, later = new_person(), new_person()
    rig.dovecot.seed(user, [message_from(person)])
    for _ in range(5):
        fetch_all(through, user)
    rig.dovecot.seed(user, [message_from(later)], "Sent")
    directory.wait_for(person)
    with through.imap(user) as imap:
        imap.ok("APPEND INBOX ", message_from(later))
        imap.ok("SELECT INBOX")
        imap.ok("FETCH 1:* (BODY.PEEK[])")
    directory.wait_for(later)
    assert directory.contact(person)["sighting_count"] == "1"


def test_two_messages_of_a_person_are_two_sightings(through, rig, user,
                                                    directory):
    person = new_person()
    rig.dovecot.seed(user, [message_from(person), message_from(person)])
    fetch_all(through, user)
    wait_until(lambda: (directory.contact(person) or {}).get(
        "sighting_count") == "2", "two sightings", 15)


def test_what_must_teach_nothing_teaches_nothing(through, rig, user,
                                                 make_user, directory):
    """Each in its own folder or with its own mark; then one that does."""
    quiet = {}

    def seed(why, folder="INBOX", flags="", owner=user, **options):
        quiet[why] = new_person()
        rig.dovecot.seed(owner, [(message_from(quiet[why], **options),
                                  flags)], folder)

    seed("junk folder", "Junk")
    seed("drafts folder", "Drafts")
    seed("trash folder", "Trash")
    seed("archive folder", "Archive")
    seed("folder out of scope", "Projects")
    seed("draft flag", flags="D")
    seed("spam header", headers=["X-Spam-Flag: YES"])
    seed("newsletter", headers=["List-Unsubscribe: <https://x.example/u>",
                                "List-Id: <news.x.example>",
                                "Precedence: bulk"])
    seed("automatic reply", headers=["Auto-Submitted: auto-replied"])
    stranger = make_user("unlisted.example")
    seed("organization nobody named", owner=stranger)
    quiet["no-reply"] = "no-reply@%d.shop.example" % next(_numbers)
    quiet["internal"] = new_person("acme.com")
    rig.dovecot.seed(user, [message_from(quiet["no-reply"]),
                            message_from(quiet["internal"])])
    for folder in ("Junk", "Drafts", "Trash", "Archive", "Projects",
                   "INBOX"):
        fetch_all(through, user, folder)
    fetch_all(through, stranger)
    loud = new_person()
    with through.imap(user) as imap:
        imap.ok("APPEND INBOX ", message_from(loud))
        imap.ok("SELECT INBOX")
        imap.ok("FETCH * (BODY.PEEK[])")
    directory.wait_for(loud)
    taught = [why for why, person in quiet.items()
              if directory.contact(person) is not None]
    assert taught == []


def test_skips_are_counted_by_their_reason(gateway, through, rig, user):
    def skipped():
        text = gateway.cli("status", "--metrics").stdout.decode()
        return {line.split('"')[1]: int(line.split()[-1])
                for line in text.splitlines()
                if line.startswith("postern_messages_skipped")}
    before = skipped()
    rig.dovecot.seed(user, [message_from(new_person(),
                                         headers=["X-Spam-Flag: YES"]),
                            message_from(new_person("acme.com"))])
    fetch_all(through, user)
    wait_until(lambda: skipped()["spam"] == before["spam"] + 1
               and skipped()["internal_only"] == before["internal_only"] + 1,
               "both skips counted")


def test_sent_mail_teaches_its_recipients_once(through, user, directory,
                                               submission):
    """Through SMTP, and again when the client files it in Sent."""
    to, copy, blind = new_person(), new_person(), new_person()
    message = samples.message(
        next(_numbers) + 200000, sender="Me <%s>" % user,
        recipient="Petra Lang <%s>" % to, headers=["Cc: <%s>" % copy])
    with through.smtp(user) as smtp:
        reply = smtp.submit(user, [to, copy, blind], message)
        assert reply[-1].startswith(b"250")
    with through.imap(user) as imap:
        imap.ok(r"APPEND Sent (\Seen) ", message)
    for person in (to, copy, blind):
        assert directory.wait_for(person)["sighting_count"] == "1"
    assert directory.contact(to)["name"] == "Petra Lang"
    sources = directory.postgresql.query(
        "SELECT sources FROM postern.sighting JOIN postern.contact USING"
        " (organization_id, contact_id) WHERE email = '%s'" % blind)
    assert sources == [["16"]]  # the envelope, and nothing else


def test_mail_filed_in_sent_alone_teaches_too(through, user, directory):
    person = new_person()
    with through.imap(user) as imap:
        imap.ok("APPEND Sent ", samples.message(
            next(_numbers) + 300000, sender="Me <%s>" % user,
            recipient="Petra Lang <%s>" % person))
    assert directory.wait_for(person)["name"] == "Petra Lang"


def test_row_level_security_shows_nothing_without_an_organization(
        through, rig, user, directory):
    rig.dovecot.seed(user, [message_from(new_person())])
    fetch_all(through, user)
    wait_until(lambda: int(rig.postgresql.query(
        "SELECT count(*) FROM postern.contact")[0][0]) > 0, "a contact", 15)
    for role in ("postern_writer", "postern_console"):
        assert rig.postgresql.query("SELECT count(*) FROM postern.contact",
                                    role=role) == [["0"]]


def test_many_keywords_do_not_hide_the_one_that_counts(through, rig,
                                                       directory):
    user = "keywords%d@acme.com" % os.getpid()
    people = [new_person() for _ in range(3)]
    rig.dovecot.seed(user, [message_from(person) for person in people])
    keywords = " ".join("a-keyword-of-some-length-%d" % n for n in range(24))
    with through.imap(user) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("STORE 1 +FLAGS (%s $Junk)" % keywords)
        imap.ok("STORE 2 +FLAGS (%s \\Draft)" % keywords)
        imap.ok("STORE 3 +FLAGS (%s)" % keywords)
    fetch_all(through, user)
    directory.wait_for(people[2])
    assert not directory.contact(people[0])
    assert not directory.contact(people[1])


def test_inspectors_that_stop_are_replaced_and_teach_on(rig, postgresql,
                                                         redis):
    """SIGSTOP: neither answering nor dead. Mail does not wait for them."""
    gateway = rig.gateway("stopped-gateway")
    gateway.configure()
    gateway.migrate()
    gateway.start()
    writer = rig.writer(gateway, "stopped-writer")
    writer.start()
    directory = Directory(postgresql)
    try:
        user = "stopped%d@acme.com" % os.getpid()
        first, *others = [new_person() for _ in range(6)]
        rig.dovecot.seed(user, [message_from(first)])
        fetch_all(host_of(gateway), user)
        directory.wait_for(first)
        for pid in gateway.processes("postern-inspect"):
            os.kill(pid, signal.SIGSTOP)
        rig.dovecot.seed(user, [message_from(other) for other in others])
        began = time.monotonic()
        fetch_all(host_of(gateway), user)
        assert time.monotonic() - began < 1.5
        for other in others:
            directory.wait_for(other)
        assert 'why="took too long"' in gateway.log_text()
    finally:
        writer.stop()
        gateway.stop()


def test_no_byte_of_the_content_is_written_anywhere(rig, redis, postgresql,
                                                    submission):
    """Canary: subject, body and attachment leave no trace on any disk."""
    canaries = [("canary%s%d" % (word, os.getpid())).encode()
                for word in ("subject", "body", "attachment")]
    gateway = rig.gateway("canary-gateway", log_level="debug")
    gateway.configure()
    gateway.migrate()
    gateway.start()
    writer = rig.writer(gateway, "canary-writer")
    writer.start()
    directory = Directory(postgresql)
    try:
        host = host_of(gateway)
        user = "canary%d@acme.com" % os.getpid()
        people = []
        for filed in range(3):
            if filed == 1:
                redis.kill9()  # so that the journal gets its share
            people.append(new_person())
            message = samples.multipart(next(_numbers) + 400000, 2000)
            message = message.replace(
                b"anna.weber@partner.example", people[-1].encode()).replace(
                b"see attachment", canaries[1]).replace(
                b"Subject: ", b"Subject: " + canaries[0] + b" ").replace(
                b"base64\r\n", b"7bit\r\n").replace(
                b"filename=\"data.bin\"\r\n\r\n",
                b"filename=\"data.bin\"\r\n\r\n" + canaries[2] + b"\r\n")
            assert all(canary in message for canary in canaries)
            rig.dovecot.seed(user, [message])
            with Imap(host.imaps_port, ca=host.ca) as imap:
                imap.login(user, host.password)
                imap.ok("SELECT INBOX")
                imap.ok("FETCH * (ENVELOPE BODY.PEEK[])")
            with host.smtp(user) as smtp:
                smtp.submit(user, ["x@partner.example"], message)
            if filed == 1:
                wait_until(lambda: any(
                    path.is_file() and path.stat().st_size > 0
                    for path in gateway.journal.rglob("*")),
                    "a journal on disk")
                scan = scan_files(gateway.journal.rglob("*"), canaries)
                assert scan == []
                redis.start()
        for person in people:
            directory.wait_for(person, 30)
        postgresql.query("CHECKPOINT")
        postgresql.query("SELECT pg_switch_wal()")
        files = [*redis.data_files(), *postgresql.data_files(),
                 *gateway.directory.rglob("*"), gateway.log_path,
                 writer.log_path, redis.log_path, postgresql.log_path]
        assert len(files) > 500
        assert scan_files(files, canaries) == []
        # The scan finds what is there: the people are, in PostgreSQL.
        assert scan_files(postgresql.data_files(), [people[0].encode()])
    finally:
        writer.stop()
        gateway.stop()
        redis.start()


def scan_files(paths, needles):
    """Files that hold any needle."""
    found = []
    for path in paths:
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError:
            continue  # a socket, or gone meanwhile
        found += [(str(path), needle) for needle in needles
                  if needle in content]
    return found
