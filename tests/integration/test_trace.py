"""postern trace: one mailbox's sessions, live, and nothing of anyone else."""

import base64
import select
import subprocess

from rig import samples, wait_until

SECRET = "the words of the message itself"


def test_a_trace_follows_one_mailbox_and_tells_no_secret(gateway, through,
                                                         rig, make_user):
    followed, other = make_user(), make_user()
    seen = []
    with subprocess.Popen(
            [str(gateway.program("postern")), "trace", "-c",
             str(gateway.configuration), "--mailbox", followed.upper()],
            stdout=subprocess.PIPE, text=True) as trace:
        def is_attached():
            with through.imap(followed):
                return select.select([trace.stdout], [], [], 0.2)[0]

        wait_until(is_attached, "the first line")
        for user in (other, followed):
            rig.dovecot.seed(user, [(samples.message(
                7, subject="A secret subject", body=SECRET + "\n"), "S")])
            with through.imap(user) as imap:
                imap.ok("SELECT INBOX")
                imap.ok("UID FETCH 1 (FLAGS BODY[])")
                imap.ok("LOGOUT")
        while not seen or "inspected" not in seen[-1]:
            seen.append(trace.stdout.readline())
        trace.terminate()
        seen += trace.stdout.readlines()
    text = "".join(seen)
    assert all('mailbox="%s" ' % followed in line for line in seen)
    assert "inspected folder=inbox uid=1 evidence=body reason=none " \
        "contacts=1" in text
    for secret in (SECRET, "secret subject", through.password,
                   base64.b64encode(through.password.encode()).decode()):
        assert secret not in text
