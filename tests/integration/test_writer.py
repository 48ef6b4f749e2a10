"""The writer: every record filed exactly once, whatever dies meanwhile."""

import collections
import csv
import io
import json
import random
import threading
import time

import pytest

from conftest import build_directory
from rig import RigError, records, wait_until
from rig.postern import SCHEMA, has_sanitizers
from rig.records import contact, record
from rig.writing import WritingRig

STREAM = records.stream("acme")


@pytest.fixture(scope="module")
def writing():
    with WritingRig(build_directory()) as rig:
        yield rig


@pytest.fixture
def clean(writing):
    """The same servers with nothing in them."""
    writing.redis.query("FLUSHALL")
    writing.postgresql.query(
        "TRUNCATE postern.organization, postern.mailbox, postern.contact, "
        "postern.sighting, postern.contact_field, postern.event")
    return writing


def add(rig, *entries):
    stream = records.Stream(rig.redis.socket)
    stream.add((records.stream(json.loads(one["payload"])["org"]), one)
               for one in entries)
    stream.close()


def rows(rig, sql):
    return rig.postgresql.query(sql)


def card(rig, email):
    found = rows(rig, "SELECT name, title, company, sighting_count, "
                 "first_seen::date, last_seen::date, phones, urls "
                 "FROM postern.contact_card WHERE email = '%s'" % email)
    return found[0] if found else None


def left(rig, name="acme"):
    """Entries in the stream and entries pending."""
    key = records.stream(name)
    pending = rig.redis.query("XPENDING", key, "writer").splitlines()[0]
    return int(rig.redis.query("XLEN", key)), int(pending)


def signed(email, name, **more):
    return contact(email, name, source=["header", "signature"],
                   name_source="signature", **more)


# --- what is filed ---------------------------------------------------------


def test_a_record_becomes_contact_sighting_and_fields(clean):
    add(clean, record("<1@x>", [signed(
        "jane@x.example", "Jane Doe", title="CTO", company="X",
        phones=[{"e164": "+4989123456", "ext": "12", "raw": "089/123456-12",
                 "kind": "work"}],
        urls=["https://x.example"], postal_address="Street 1\\Town \"A\"")]))
    clean.drain()
    assert card(clean, "jane@x.example") == [
        "Jane Doe", "CTO", "X", "1", "2023-11-14", "2023-11-14",
        '[{"kind": "work", "number": "+4989123456;ext=12"}]',
        '["https://x.example"]']
    assert rows(clean, "SELECT value FROM postern.contact_field "
                "WHERE kind = 'postal_address'") == [
                    ["Street 1\\Town \"A\""]]
    assert rows(clean, "SELECT direction, role, folder, evidence, sources, "
                "address FROM postern.sighting JOIN postern.mailbox "
                "USING (organization_id, mailbox_id)") == [
                    ["in", "author", "inbox", "body", "3", "a@acme.com"]]
    assert rows(clean, "SELECT name FROM postern.organization") == [["acme"]]
    assert left(clean) == (0, 0)


def test_the_same_record_again_changes_nothing(clean):
    one = record("<1@x>", [contact("jane@x.example", "Jane")])
    add(clean, one, one)
    clean.drain()
    add(clean, one)
    assert "again=1 sightings=0" in clean.drain()
    assert card(clean, "jane@x.example")[3] == "1"
    assert left(clean) == (0, 0)


@pytest.mark.parametrize("order", ["header first", "body first", "together"])
def test_headers_and_body_are_one_sighting(clean, order):
    header = record("<1@x>", [contact("jane@x.example", "Jane")],
                    evidence="header")
    body = record("<1@x>", [signed("jane@x.example", "Jane Doe",
                                   title="CTO")], evidence="body")
    both = [body, header] if order == "body first" else [header, body]
    for one in both:
        add(clean, one)
        if order != "together":
            clean.drain()
    clean.drain()
    assert card(clean, "jane@x.example")[:4] == ["Jane Doe", "CTO", "", "1"]
    assert rows(clean, "SELECT evidence, sources FROM postern.sighting") == [
        ["body", "3"]]
    assert rows(clean, "SELECT count(*) FROM postern.event") == [["2"]]


def test_the_newest_signature_wins_and_the_older_stay(clean):
    day = 86400
    add(clean,
        record("<3@x>", [contact("j@x.example", "j.doe")],
               seen=1700000000 + 9 * day),
        record("<2@x>", [signed("j@x.example", "Jane Miller", title="CEO")],
               seen=1700000000 + 5 * day),
        record("<1@x>", [signed("j@x.example", "Jane Doe", title="CTO")],
               seen=1700000000))
    clean.drain()
    assert card(clean, "j@x.example")[:6] == [
        "Jane Miller", "CEO", "", "3", "2023-11-14", "2023-11-23"]
    history = rows(clean, "SELECT value, source, first_seen::date, "
                   "last_seen::date FROM postern.contact_field "
                   "WHERE kind = 'name' ORDER BY rank DESC, last_seen DESC")
    assert history == [
        ["Jane Miller", "signature", "2023-11-19", "2023-11-19"],
        ["Jane Doe", "signature", "2023-11-14", "2023-11-14"],
        ["j.doe", "header", "2023-11-23", "2023-11-23"]]
    # The old name confirmed again, and later, is the newest again; when it
    # came through another stream of events makes no difference.
    add(clean, record("<4@x>", [signed("j@x.example", "Jane Doe")],
                      seen=1700000000 + 7 * day))
    clean.drain()
    assert card(clean, "j@x.example")[0] == "Jane Doe"
    confirmed = rows(clean, "SELECT encode(message_ref, 'hex') FROM "
                     "postern.contact_field WHERE value = 'Jane Doe'")
    assert confirmed == [[records.digest("a@acme.com", "<4@x>")]]


def test_lists_and_machines_are_not_filed(clean):
    add(clean, record("<1@x>", [contact("list@x.example", "L", kind="list"),
                                contact("no@x.example", "N", kind="noreply"),
                                contact("p@x.example", "P")]),
        record("<2@x>", [contact("list@x.example", "L", kind="list")]),
        record("<3@x>", []))
    clean.drain()
    assert rows(clean, "SELECT email FROM postern.contact") == [
        ["p@x.example"]]
    assert rows(clean, "SELECT count(*) FROM postern.event") == [["3"]]


def test_organizations_are_kept_apart(clean):
    add(clean,
        record("<1@x>", [contact("j@x.example", "Jane")]),
        record("<1@x>", [contact("j@x.example", "J")], organization="globex",
               mailbox="b@globex.com"))
    clean.drain()
    assert rows(clean, "SELECT o.name, c.name FROM postern.contact c JOIN "
                "postern.organization o USING (organization_id) ORDER BY 1"
                ) == [["acme", "Jane"], ["globex", "J"]]


def test_text_of_any_script_and_form_survives(clean):
    names = ["Ænne Öster", "山田太郎", "مريم", "O'Brien", '{"a",NULL}',
             "back\\slash", "NULL", "a,b", "'; DROP TABLE postern.contact; --",
             "😀" * 50, "x" * 1024]
    add(clean, *[record("<%d@x>" % number, [contact(
        "n%d@x.example" % number, name)])
        for number, name in enumerate(names)])
    clean.drain()
    for number, name in enumerate(names):
        assert card(clean, "n%d@x.example" % number)[0] == name


# --- what goes wrong -------------------------------------------------------


def broken(message_id="<bad@x>"):
    fields = record(message_id, [])
    fields["payload"] = fields["payload"].replace('"seen"', '"sun"')
    return fields


def drain_all(rig):
    """Let one writer after the other try, until nothing is left."""
    log = ""
    while "left=0" not in log:
        log += rig.drain("--idle-ms", "0")
        assert log.count("end: ") < 10, log
    return log


def test_what_cannot_be_read_is_a_dead_letter_after_five_deliveries(clean):
    good = [record("<%d@x>" % n, [contact("p%d@x.example" % n)])
            for n in range(10)]
    add(clean, *good[:5], broken(), *good[5:])
    log = drain_all(clean)
    assert log.count("alarm=dead-letter") == 1 and "deliveries=5" in log
    assert log.count("not filed") == 4
    assert rows(clean, "SELECT count(*) FROM postern.contact") == [["10"]]
    dead = clean.redis.query("XRANGE", records.dead_letters("acme"), "-", "+")
    assert "no time" in dead
    assert left(clean) == (0, 0)


def test_a_foreign_version_waits_for_a_writer_that_knows_it(clean):
    later = record("<1@x>", [])
    later["v"] = "2"
    add(clean, later)
    log = clean.drain()
    assert "version is not 1" in log and "left=1" in log
    assert left(clean) == (1, 1)


def test_one_record_postgresql_refuses_stops_no_other(clean):
    clean.postgresql.query("ALTER TABLE postern.contact ADD CONSTRAINT poison "
                           "CHECK (email <> 'poison@x.example')")
    try:
        add(clean, *[record("<%d@x>" % n, [contact(
            "poison@x.example" if n == 7 else "p%d@x.example" % n)])
            for n in range(20)])
        log = drain_all(clean)
    finally:
        clean.postgresql.query(
            "ALTER TABLE postern.contact DROP CONSTRAINT poison")
    assert log.count("alarm=dead-letter") == 1
    assert rows(clean, "SELECT count(*) FROM postern.contact") == [["19"]]
    assert "poison@" not in log


def test_a_server_that_can_file_nothing_is_waited_for(clean):
    """No record's fault: none of them may end as a dead letter."""
    clean.postgresql.query(
        "REVOKE INSERT ON postern.event FROM postern_writer")
    try:
        add(clean, *[record("<%d@x>" % n, [contact("p%d@x.example" % n)])
                     for n in range(30)])
        writer = clean.writer("patient")
        writer.start()
        wait_until(lambda: "permission denied" in writer.log_text(),
                   "the reason", 20)
        time.sleep(3)
        log = writer.log_text()
        assert log.count("permission denied") == 1, log
    finally:
        clean.postgresql.query(
            "GRANT INSERT ON postern.event TO postern_writer")
    wait_until(lambda: left(clean) == (0, 0), "the records", 20)
    writer.stop()
    assert rows(clean, "SELECT count(*) FROM postern.contact") == [["30"]]
    assert "dead" not in writer.log_text().replace("dead=0", "")


def test_records_of_any_size_are_read_in_bounded_memory(clean):
    """400 records of 800 KiB took 1.3 GiB."""
    long = "x" * 500
    for n in range(0, 400, 50):
        add(clean, *[record("<%d@x>" % k, [contact(
            "p%d@x.example" % m, long, title=long, company=long,
            postal_address=long, source=["vcard"],
            urls=["https://%d.%s" % (u, long) for u in range(8)],
            phones=[{"e164": "+4989%06d" % (m * 16 + p), "kind": "work",
                     "raw": long} for p in range(16)]) for m in range(50)])
            for k in range(n, n + 50)])
    writer = clean.writer("large")
    writer.start()
    wait_until(lambda: left(clean) == (0, 0), "the records", 100)
    with open("/proc/%d/status" % writer.pid) as status:
        peak = next(int(line.split()[1]) for line in status
                    if line.startswith("VmHWM"))
    writer.stop()
    allowed = 900 if has_sanitizers(clean.program("postern-writer")) else 300
    assert peak < allowed * 1024, "%d KiB" % peak


def test_what_a_dead_writer_had_read_is_taken_over(clean):
    add(clean, *[record("<%d@x>" % n, [contact("p%d@x.example" % n)])
                 for n in range(1200)])
    clean.redis.query("XGROUP", "CREATE", STREAM, "writer", "0")
    clean.redis.query("XREADGROUP", "GROUP", "writer", "dead", "COUNT", "1100",
                      "STREAMS", STREAM, ">")
    assert left(clean) == (1200, 1100)
    # Not before it has been silent for long enough.
    assert "left=1100" in clean.drain()
    assert "records=1100 again=0" in clean.drain("--idle-ms", "1")
    assert left(clean) == (0, 0)


def test_a_writer_finds_its_own_unfinished_entries_first(clean):
    add(clean, *[record("<%d@x>" % n, [contact("p%d@x.example" % n)])
                 for n in range(700)])
    clean.redis.query("XGROUP", "CREATE", STREAM, "writer", "0")
    clean.redis.query("XREADGROUP", "GROUP", "writer", "me", "COUNT", "650",
                      "STREAMS", STREAM, ">")
    assert "records=700 again=0" in clean.drain("--name", "me")
    assert left(clean) == (0, 0)


@pytest.mark.parametrize("name", ["me", "other"])
def test_an_entry_deleted_while_pending_is_an_alarm(clean, name):
    add(clean, *[record("<%d@x>" % n, [contact("p%d@x.example" % n)])
                 for n in range(3)])
    clean.redis.query("XGROUP", "CREATE", STREAM, "writer", "0")
    read = clean.redis.query("XREADGROUP", "GROUP", "writer", "me", "STREAMS",
                             STREAM, ">")
    entry = next(line for line in read.splitlines() if "-0" in line)
    clean.redis.query("XDEL", STREAM, entry)
    log = clean.drain("--name", name, "--idle-ms", "1")
    assert "alarm=lost-entry" in log and entry in log
    assert rows(clean, "SELECT count(*) FROM postern.contact") == [["2"]]
    assert left(clean) == (0, 0)


def test_a_database_that_is_not_migrated_is_named():
    with WritingRig(build_directory(), migrate=False) as rig:
        writer = rig.writer()
        writer.start(wait=False)
        wait_until(lambda: "postgresql away" in writer.log_text(),
                   "the writer to say so")
        rig.postern("db", "migrate", "--schema", SCHEMA)
        writer.wait_ready()
        writer.stop()
        assert "end: " in writer.log_text()


def test_a_role_that_bypasses_the_fence_is_refused(clean):
    clean.postgresql.query("ALTER ROLE postern_writer BYPASSRLS")
    try:
        writer = clean.writer("super")
        writer.start(wait=False)
        wait_until(lambda: "connect as postern_writer" in writer.log_text(),
                   "the writer to refuse")
        assert clean.postern("db", "check", "--schema", SCHEMA,
                             check=False).returncode == 1
    finally:
        clean.postgresql.query("ALTER ROLE postern_writer NOBYPASSRLS")
    writer.wait_ready()
    writer.stop()


# --- servers that go away --------------------------------------------------


def test_redis_and_postgresql_may_restart_under_it(clean):
    writer = clean.writer("steady").start()
    for round_number, server in enumerate([clean.redis, clean.postgresql] * 2):
        mark = writer.log_size()
        email = "r%d@x.example" % round_number
        server.kill9()
        if server is clean.postgresql:
            add(clean, record("<%s>" % email, [contact(email)]))
        name = "redis" if server is clean.redis else "postgresql"
        wait_until(lambda: name + " away" in writer.log_text(mark),
                   "the writer to say that %s is away" % name)
        time.sleep(0.5)
        assert writer.log_text(mark).count(" away: ") == 1
        server.start()
        if server is clean.redis:
            add(clean, record("<%s>" % email, [contact(email)]))
        wait_until(lambda: card(clean, email), "the contact", 20)
        assert name + " back after" in writer.log_text(mark)
    assert writer.is_running()
    writer.stop()
    assert "end: records=4" in writer.log_text()


def test_several_writers_share_the_work_without_deadlock(clean):
    """All writers meet in the same few contacts, in every order."""
    dice = random.Random(7)
    people = ["shared%d@x.example" % n for n in range(30)]
    made, expected = [], collections.Counter()
    for number in range(3000):
        chosen = dice.sample(people, 6)
        expected.update(chosen)
        made.append(record("<%d@x>" % number,
                           [contact(one, "N%d" % dice.randrange(50))
                            for one in chosen]))
    writers = [clean.writer("share%d" % n).start() for n in range(3)]
    add(clean, *made)
    wait_until(lambda: left(clean) == (0, 0), "the stream to drain", 60)
    for writer in writers:
        writer.stop()
    assert dict((email, int(count)) for email, count in rows(
        clean, "SELECT email, sighting_count FROM postern.contact")
        ) == expected
    log = "".join(writer.log_text() for writer in writers)
    assert "deadlock" not in log and "another delivery" not in log
    working = [writer for writer in writers
               if "end: records=0" not in writer.log_text()]
    assert len(working) > 1


class Feeder(threading.Thread):
    """Adds records for as long as it is told; what Redis did not answer is
    added again, as a gateway's journal would."""

    def __init__(self, rig, made):
        super().__init__(daemon=True)
        self.rig = rig
        self.made = made
        self.failed = None

    def run(self):
        try:
            for start in range(0, len(self.made), 20):
                self.add(self.made[start:start + 20])
                time.sleep(0.02)
        except Exception as error:  # shown by the test
            self.failed = error

    def add(self, block):
        deadline = time.monotonic() + 60
        while True:
            try:
                add(self.rig, *block)
                return
            except (OSError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def test_kill_9_at_any_moment_files_exactly_once(clean, long):
    faults = 200 if long else 30
    dice = random.Random(20240501)
    made, expected = [], collections.Counter()
    for number in range(faults * 150):
        chosen = ["p%d@x.example" % dice.randrange(400) for _ in range(2)]
        expected.update(set(chosen))
        made.append(record("<%d@x>" % number, [contact(one, "N")
                                               for one in set(chosen)]))
    writers = [clean.writer("kill%d" % n, "--idle-ms", "3000").start()
               for n in range(2)]
    feeder = Feeder(clean, made)
    feeder.start()
    killed = collections.Counter()
    for _ in range(faults):
        victim = dice.choice(writers + [clean.redis, clean.postgresql])
        killed[victim.name] += 1
        victim.kill9()
        time.sleep(dice.random() * 0.2)
        victim.start(wait=victim not in writers)
        time.sleep(dice.random() * 0.3)
    feeder.join(120)
    assert feeder.failed is None and not feeder.is_alive()
    wait_until(lambda: left(clean) == (0, 0), "the stream to drain", 90)
    log = "".join(writer.log_text() for writer in writers)
    for writer in writers:
        writer.stop()
    print("faults: %s" % dict(killed))
    assert dict((email, int(count)) for email, count in rows(
        clean, "SELECT email, sighting_count FROM postern.contact")
        ) == expected
    assert rows(clean, "SELECT count(*) FROM postern.event") == [
        [str(len(made))]]
    assert "dead-letter" not in log and "lost-entry" not in log


# --- postern contacts ------------------------------------------------------


HOSTILE = ["=HYPERLINK(\"http://x\")", "a\x1b[2Jb", "\u202egnp.exe", "c,d;e\"f",
           "x" * 200]


@pytest.fixture
def exported(clean):
    add(clean, *[record("<%d@x>" % n, [signed(
        "h%d@x.example" % n, name, title="T", company="C;D",
        phones=[{"e164": "+4989123456", "ext": "7", "kind": "mobile"}],
        urls=["https://x.example/?a=1,2"], postal_address="A\nB")])
        for n, name in enumerate(HOSTILE)])
    clean.drain()
    return clean


def postern(rig, *words):
    return rig.postern("contacts", *words, "--organization",
                       "acme").stdout.decode()


def test_csv_is_no_formula(exported):
    text = postern(exported, "export", "--format", "csv")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [line["name"] for line in table] == [
        "'" + HOSTILE[0]] + HOSTILE[1:]
    assert table[0]["phones"] == "+4989123456;ext=7 (mobile)"
    assert table[0]["postal_address"] == "A\nB"
    assert text.count("\r\n") == len(HOSTILE) + 1


def test_json_is_an_object_a_line(exported):
    lines = postern(exported, "export", "--format", "json").splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["name"] for one in found] == HOSTILE
    assert found[0]["phones"] == [{"e164": "+4989123456", "ext": "7",
                                   "kind": "mobile"}]
    assert found[0]["messages"] == 1
    assert found[0]["first_seen"] == "2023-11-14T22:13:20Z"


def test_vcards_are_folded_and_escaped(exported):
    text = exported.postern("contacts", "export", "--format", "vcard",
                            "--organization", "acme").stdout
    lines = text.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    whole = text.replace(b"\r\n ", b"").decode().split("\r\n")
    assert whole.count("BEGIN:VCARD") == whole.count("END:VCARD") == 5
    assert "FN:c\\,d\\;e\"f" in whole
    assert "ORG:C\\;D" in whole
    assert "TEL;VALUE=uri;TYPE=\"cell\":tel:+4989123456;ext=7" in whole
    assert "ADR:;;A\\nB;;;;" in whole
    assert "FN:" + HOSTILE[4] in whole


def test_no_value_begins_a_line_or_a_formula_of_its_own(clean):
    add(clean, record("<1@x>", [signed(
        "h@x.example", "\uff1dHYPERLINK(1)", title="\n=1+1",
        urls=["https://x.example/\r\nEND:VCARD"])]))
    clean.drain()
    text = postern(clean, "export", "--format", "vcard")
    assert text.count("\r\nEND:VCARD") == 1
    assert "\r\nURL:https://x.example/END:VCARD\r\n" in text
    text = postern(clean, "export", "--format", "csv")
    line = next(csv.DictReader(io.StringIO(text, newline="")))
    assert line["name"] == "'\uff1dHYPERLINK(1)"
    assert line["title"] == "'\n=1+1"


def test_a_terminal_gets_no_control_characters(exported):
    listed = postern(exported, "list")
    shown = postern(exported, "show", "h1@x.example")
    assert "5 contacts" in listed and "signature" in shown
    for text in (listed, shown):
        assert "\x1b" not in text and "\u202e" not in text


def test_a_contact_that_is_not_there_is_said(exported):
    with pytest.raises(RigError, match="no contact with address"):
        postern(exported, "show", "nobody@x.example")
    with pytest.raises(RigError, match="say which --organization"):
        exported.postern("contacts", "list")
    with pytest.raises(RigError, match="no format"):
        postern(exported, "export", "--format", "xml")


def test_many_contacts_are_listed_page_by_page(clean):
    add(clean, *[record("<%d@x>" % n, [contact("p%05d@x.example" % n)])
                 for n in range(2500)])
    clean.drain()
    lines = postern(clean, "export", "--format", "json").splitlines()
    assert [json.loads(line)["email"] for line in lines] == [
        "p%05d@x.example" % n for n in range(2500)]
