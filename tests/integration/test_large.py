"""Large messages, large folders, many sessions: in bounded memory."""

import hashlib

import pytest

from rig import clients, samples, wait_until

MIB = 1 << 20


def resident_kib(server, name):
    """What the processes of that name hold at most, together."""
    total = 0
    for pid in server.processes(name):
        with open("/proc/%d/status" % pid) as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1])
    return total


def allowed_kib(gateway, mib):
    """So many MiB; AddressSanitizer keeps up to 256 of what was freed."""
    return (mib + (600 if gateway.has_sanitizers() else 0)) * 1024


@pytest.fixture
def bounded(request, host):
    """Fails a test in which posternd grew by more than 40 MiB: what may wait
    for an inspector (16), be on its way to Redis (8), and the buffers."""
    if host.name == "direct":
        yield
        return
    gateway = request.getfixturevalue("gateway")
    for pid in gateway.processes("posternd"):
        with open("/proc/%d/clear_refs" % pid, "w") as reset:
            reset.write("5")  # start the high-water mark anew
    before = resident_kib(gateway, "posternd")
    yield
    assert resident_kib(gateway, "posternd") - before \
        < allowed_kib(gateway, 40)


def test_60_mib_message_is_appended_fetched_and_copied(host, user, rig,
                                                       bounded):
    message = samples.multipart(1, 60 * MIB)
    digest = hashlib.sha256(message).hexdigest()
    with host.imap(user) as imap:
        imap.ok("APPEND INBOX ", message)
        imap.ok("SELECT INBOX")
        imap.send(b"f FETCH 1 (BODY.PEEK[])\r\n")
        head = imap.line()
        size = int(head.rsplit(b"{")[1].split(b"}")[0])
        assert size == len(message)
        assert hashlib.sha256(imap.exactly(size)).hexdigest() == digest
        assert imap.until(b"f ")[-1].startswith(b"f OK")
        imap.ok("UID COPY 1:* Archive")
    assert [hashlib.sha256(copy).hexdigest() for copy in
            rig.dovecot.messages(user, "Archive")] == [digest]


def test_60_mib_message_is_sent(host, user, rig, make_user, submission):
    person = make_user("partner.example")
    message = samples.multipart(2, 60 * MIB)
    with host.smtp(user) as smtp:
        reply = smtp.submit(user, [person], message)
        assert reply[-1].startswith(b"250 2.0.0")
    arrived = wait_until(lambda: rig.dovecot.messages(person),
                         "the large message", 60)[0]
    assert arrived.endswith(message.partition(b"\r\n\r\n")[2])


def test_folder_of_20000_messages_is_read_whole(host, user, rig, long,
                                                bounded):
    """2,000 messages unless --long."""
    count = 20000 if long else 2000
    messages = [samples.message(number, size=1500 if number % 50 else 30000)
                for number in range(count)]
    expected = hashlib.sha256(b"".join(messages)).hexdigest()
    rig.dovecot.seed(user, messages)
    with host.imap(user) as imap:
        imap.socket.settimeout(120)
        assert b"* %d EXISTS\r\n" % count in imap.ok("SELECT INBOX")
        flags = imap.ok("FETCH 1:* (UID FLAGS)")
        assert len(flags) == count + 1
        assert len(imap.ok("FETCH 1:* (ENVELOPE)")) == count + 1
        imap.send(b"b FETCH 1:* (BODY.PEEK[])\r\n")
        digest = hashlib.sha256()
        for _ in range(count):
            size = int(imap.line().rsplit(b"{")[1].split(b"}")[0])
            digest.update(imap.exactly(size))
            assert imap.line() == b")\r\n"
        assert imap.until(b"b ")[-1].startswith(b"b OK")
        assert digest.hexdigest() == expected
        found = imap.ok("SEARCH RETURN (COUNT) ALL")
        assert b"COUNT %d" % count in found[0]
        imap.received.clear()


def test_mbsync_of_a_large_message_both_ways(host, user, rig, tmp_path):
    message = samples.multipart(3, 12 * MIB)
    rig.dovecot.seed(user, [message])
    store = clients.mbsync(host, user, tmp_path)
    files = [path for name in ("cur", "new")
             for path in (store / "INBOX" / name).iterdir()]
    assert len(files) == 1
    assert clients.without_tuid(files[0].read_bytes()) \
        == message.replace(b"\r\n", b"\n")


def test_slow_reader_does_not_fill_memory(through, gateway, user, rig):
    """The client stops reading: the gateway stops reading the provider."""
    rig.dovecot.seed(user, [samples.multipart(4, 30 * MIB)])
    with through.imap(user) as imap:
        imap.ok("SELECT INBOX")
        before = resident_kib(gateway, "posternd")
        imap.send(b"".join(b"s%d FETCH 1 (BODY.PEEK[])\r\n" % number
                           for number in range(3)))
        imap.line()
        # Another session works meanwhile, and takes a while doing so.
        with through.imap(user) as other:
            other.ok("SELECT INBOX")
            for _ in range(200):
                other.ok("NOOP")
        assert resident_kib(gateway, "posternd") - before \
            < allowed_kib(gateway, 16)
        imap.until(b"s2 ")


def test_180_idle_sessions_are_all_pushed(host, direct, user):
    sessions = []
    try:
        for _ in range(180):
            imap = host.imap(user)
            sessions.append(imap)
            imap.ok("SELECT INBOX")
            imap.send(b"i IDLE\r\n")
            imap.until(b"+")
        with direct.imap(user) as other:
            other.ok("APPEND INBOX ", samples.message(1))
        for imap in sessions:
            imap.until(b"* 1 EXISTS")
    finally:
        for imap in sessions:
            imap.close()
