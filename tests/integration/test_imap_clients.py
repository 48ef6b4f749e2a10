"""Real IMAP programs read, file and synchronise mail."""

import hashlib
import imaplib
import mailbox as mailboxes
import ssl

import pytest

from rig import clients, samples


def digests(messages):
    return sorted(hashlib.sha256(message).hexdigest()
                  for message in messages)


def connect(host, user, starttls=False):
    """imaplib, logged in."""
    context = ssl.create_default_context(cafile=host.ca)
    if starttls:
        connection = imaplib.IMAP4("localhost", host.imap_port)
        connection.starttls(context)
    else:
        connection = imaplib.IMAP4_SSL("localhost", host.imaps_port,
                                       ssl_context=context)
    connection.login(user, host.password)
    return connection


def ok(answer):
    """The data of an imaplib answer that must be OK."""
    assert answer[0] == "OK", answer
    return answer[1]


@pytest.mark.parametrize("starttls", [False, True], ids=["tls", "starttls"])
def test_imaplib_appends_fetches_flags_moves_searches_expunges(
        host, user, starttls):
    imap = connect(host, user, starttls)
    message = samples.message(7)
    ok(imap.append("INBOX", r"(\Seen $Important)",
                   '"04-Mar-2025 10:00:00 +0000"', message))
    ok(imap.append("INBOX", None, None, samples.message(8)))
    assert ok(imap.select("INBOX")) == [b"2"]
    data = ok(imap.fetch("1", "(FLAGS INTERNALDATE BODY.PEEK[])"))
    assert data[0][1] == message
    assert b"$Important" in data[0][0] + data[1]
    assert b"04-Mar-2025 10:00:00 +0000" in data[0][0] + data[1]
    assert ok(imap.search(None, "SUBJECT", '"Order 8"')) == [b"2"]
    assert ok(imap.search(None, "UNSEEN")) == [b"2"]
    ok(imap.store("2", "+FLAGS", r"(\Flagged)"))
    assert ok(imap.search(None, "FLAGGED")) == [b"2"]
    ok(imap._simple_command("MOVE", "1", "Archive"))
    ok(imap.store("1", "+FLAGS", r"(\Deleted)"))
    ok(imap.expunge())
    assert ok(imap.select("INBOX")) == [b"0"]
    assert ok(imap.select("Archive", readonly=True)) == [b"1"]
    assert ok(imap.fetch("1", "(BODY.PEEK[])"))[0][1] == message
    ok(imap.close())
    imap.logout()


def test_imaplib_handles_nested_and_non_ascii_folders(host, user):
    imap = connect(host, user)
    names = ["Kunden/2025/M&APw-ller", "Projekte/&ZeVnLIqe-",
             '"with space/and (brackets)"']
    for name in names:
        ok(imap.create(name))
        ok(imap.append(name, None, None, samples.message(3)))
        assert ok(imap.select(name)) == [b"1"]
        ok(imap.close())
    listed = b"\n".join(ok(imap.list()))
    for name in names:
        assert name.strip('"').encode() in listed
    ok(imap.rename(names[0], "Kunden/2025/Meyer"))
    assert ok(imap.select("Kunden/2025/Meyer")) == [b"1"]
    ok(imap.close())
    ok(imap.delete("Kunden/2025/Meyer"))
    imap.logout()


def test_imaplib_is_pushed_new_mail_while_idle(host, direct, user):
    with host.imap(user) as idle:
        idle.ok("SELECT INBOX")
        idle.send(b"i1 IDLE\r\n")
        idle.until(b"+")
        with direct.imap(user) as other:
            other.ok("APPEND INBOX ", samples.message(1))
        assert idle.until(b"* 1 EXISTS")[-1] == b"* 1 EXISTS\r\n"
        idle.send(b"DONE\r\n")
        assert idle.until(b"i1 ")[-1].startswith(b"i1 OK")
        idle.ok("NOOP")


@pytest.mark.parametrize("starttls", [False, True], ids=["tls", "starttls"])
def test_curl_lists_reads_and_appends(host, rig, user, tmp_path, starttls):
    messages = samples.varied(5)
    rig.dovecot.seed(user, messages)
    listing = clients.curl(host, user, "", starttls=starttls, binary=False)
    assert '"/" Archive' in listing and '"/" INBOX' in listing
    read = [clients.curl(host, user, "INBOX;MAILINDEX=%d" % number,
                         starttls=starttls) for number in range(1, 6)]
    assert digests(read) == digests(messages)
    upload = tmp_path / "message"
    upload.write_bytes(samples.message(99))
    clients.curl(host, user, "Sent", "-T", str(upload), starttls=starttls)
    assert rig.dovecot.messages(user, "Sent") == [samples.message(99)]
    refused = clients.curl(host, user, "Missing;UID=1", check=False,
                           starttls=starttls)
    assert refused == b""


def test_mbsync_both_ways_keeps_every_byte_of_500_messages(
        host, rig, user, tmp_path):
    theirs = samples.varied(450, seed=3)
    rig.dovecot.seed(user, theirs[:400])
    rig.dovecot.seed(user, theirs[400:], "Kunden/M&APw-ller")
    mine = [samples.message(9000 + number, size=2000)
            for number in range(50)]
    store = tmp_path / "mail"
    store.mkdir()
    local = mailboxes.Maildir(store / "INBOX")
    for message in mine:
        # A Maildir holds lines as Unix does; mbsync makes them CRLF.
        local.add(message.replace(b"\r\n", b"\n"))
    clients.mbsync(host, user, tmp_path)
    # What came down is what the provider holds.
    down = [path.read_bytes() for name in ("cur", "new")
            for path in (store / "INBOX" / name).iterdir()]
    assert len(down) == 450
    stripped = [clients.without_tuid(message).replace(b"\r\n", b"\n")
                for message in down]
    assert digests(stripped) == digests(
        message.replace(b"\r\n", b"\n") for message in theirs[:400] + mine)
    # What went up is what was here.
    up = [clients.without_tuid(message) for message in rig.dovecot.messages(user)]
    assert digests(up) == digests(theirs[:400] + mine)
    nested = rig.dovecot.messages(user, "Kunden/M&APw-ller")
    assert digests(nested) == digests(theirs[400:])
    # Flags and deletions travel both ways on a second run.
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
        imap.ok(r"STORE 1:20 +FLAGS (\Seen \Deleted)")
        imap.ok("EXPUNGE")
    clients.mbsync(host, user, tmp_path)
    left = [path for name in ("cur", "new")
            for path in (store / "INBOX" / name).iterdir()]
    assert len(left) == 430
    for path in left[:10]:
        path.unlink()
    clients.mbsync(host, user, tmp_path, starttls=True)
    assert len(rig.dovecot.messages(user)) == 420


@pytest.mark.parametrize("starttls", [False, True], ids=["tls", "starttls"])
def test_neomutt_reads_and_copies_a_mailbox(host, rig, user, tmp_path,
                                            starttls):
    messages = [samples.message(number) for number in range(1, 6)]
    rig.dovecot.seed(user, messages)
    keys = ("<tag-pattern>~A<enter><tag-prefix><copy-message>"
            "=Archive<enter><exit>")
    clients.neomutt(host, user, tmp_path, keys=keys, starttls=starttls)
    assert digests(rig.dovecot.messages(user, "Archive")) \
        == digests(messages)


def test_imapflow_uses_the_whole_protocol(host, rig, user, node_modules):
    rig.dovecot.seed(user, samples.varied(30, seed=5))
    out = clients.node("imapflow.mjs", host.imaps_port, user, host.password,
                       host.ca, cwd=node_modules)
    assert out.splitlines()[-1] == "ok"
