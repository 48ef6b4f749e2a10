"""Real programs send mail."""

import pytest

from rig import clients, samples, wait_until
from rig.postfix import DEFERRED_RECIPIENT, REFUSED_RECIPIENT

pytestmark = pytest.mark.usefixtures("submission")


def delivered(rig, recipient, count=1):
    """The messages in recipient's mailbox, once there are count."""
    return wait_until(
        lambda: (lambda found: len(found) >= count and found)(
            rig.dovecot.messages(recipient)),
        "%d messages for %s" % (count, recipient), 30)


def body(message):
    return message.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("starttls", [False, True], ids=["tls", "starttls"])
def test_swaks_sends_to_several_people(host, rig, user, make_user, starttls):
    people = [make_user("partner.example") for _ in range(3)]
    dialogue = clients.swaks(host, user, people, "--body", "hello there",
                             starttls=starttls)
    assert "250 2.0.0 Ok: queued as" in dialogue
    for person in people:
        assert b"hello there" in body(delivered(rig, person)[0])


def test_refusals_are_the_providers_own(host, user, make_user):
    good = make_user("partner.example")
    dialogue = clients.swaks(host, user, [REFUSED_RECIPIENT], check=False)
    assert "550 5.1.1" in dialogue and "no such person here" in dialogue
    dialogue = clients.swaks(host, user, [DEFERRED_RECIPIENT], check=False)
    assert "451 4.2.0" in dialogue and "try again in an hour" in dialogue
    dialogue = clients.swaks(host, user, [REFUSED_RECIPIENT, good])
    assert "550 5.1.1" in dialogue and "queued as" in dialogue


def test_wrong_password_is_refused(host, user):
    dialogue = clients.swaks(host, user, ["x@partner.example"],
                             check=False, password="wrong")
    assert " 535 5.7.8" in dialogue


@pytest.mark.parametrize("starttls", [False, True], ids=["tls", "starttls"])
def test_msmtp_sends_the_message_unchanged(host, rig, user, make_user,
                                           tmp_path, starttls):
    person = make_user("partner.example")
    messages = samples.varied(5, seed=11)
    for message in messages:
        clients.msmtp(host, user, [person], message.replace(b"\r\n", b"\n"),
                      tmp_path, starttls)
    found = delivered(rig, person, 5)
    assert sorted(map(body, found)) == sorted(map(body, messages))


def test_curl_sends_a_file(host, rig, user, make_user, tmp_path):
    person = make_user("partner.example")
    upload = tmp_path / "message"
    upload.write_bytes(samples.varied(2)[1])
    clients.curl_send(host, user, [person], upload)
    assert body(delivered(rig, person)[0]) == body(upload.read_bytes())


def test_neomutt_sends_from_the_command_line(host, rig, user, make_user,
                                             tmp_path):
    person = make_user("partner.example")
    attachment = tmp_path / "notes.txt"
    attachment.write_text("price list\n" * 50)
    clients.neomutt(host, user, tmp_path,
                    ["-s", "Grüße", "-a", attachment, "--", person],
                    stdin="see the list, Jürgen\n".encode())
    message = delivered(rig, person)[0]
    assert b"notes.txt" in message
    assert b"=?utf-8?" in message.partition(b"\r\n\r\n")[0].lower()


def test_nodemailer_sends_pooled_and_pipelined(host, rig, user, make_user,
                                               node_modules):
    person = make_user("partner.example")
    out = clients.node("nodemailer.mjs", host.submission_port,
                       host.submissions_port, user, host.password, host.ca,
                       person, cwd=node_modules)
    assert out.splitlines()[-1] == "ok"
    found = delivered(rig, person, 12)
    assert len(found) == 12
