"""clients: real mail programs, run against any host of the rig.

A Host says where to connect; each function runs one program as its user
would, with certificates checked, and returns what it printed. None of them
knows whether it talks to the provider or to the gateway.
"""

import os
import pathlib
import pty
import select
import subprocess
import time
from dataclasses import dataclass

from .process import RigError, run
from .wire import Imap, Smtp

MBSYNC = """\
IMAPAccount rig
Host localhost
Port {port}
User {user}
Pass {password}
SSLType {ssl_type}
CertificateFile {ca}
PipelineDepth 50
Timeout 60

IMAPStore far
Account rig

MaildirStore near
Path {store}/
Inbox {store}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
Sync All
"""

MSMTP = """\
defaults
auth on
tls on
tls_trust_file {ca}
logfile {log}
account rig
host localhost
port {port}
tls_starttls {starttls}
user {user}
password {password}
from {user}
account default : rig
"""

NEOMUTT = """\
set folder = "{scheme}://localhost:{port}/"
set imap_user = "{user}"
set imap_pass = "{password}"
set imap_check_subscribed = no
set smtp_url = "smtps://{user}@localhost:{smtp_port}/"
set smtp_pass = "{password}"
set smtp_authenticators = "plain"
set from = "{user}"
set certificate_file = "{directory}/certificates"
set ssl_ca_certificates_file = "{ca}"
set ssl_force_tls = yes
set ssl_starttls = yes
set spoolfile = "+INBOX"
set record = ""
set mbox_type = Maildir
set mail_check = 5
set imap_keepalive = 5
set confirmappend = no
set confirmcreate = no
set delete = yes
set move = no
set wait_key = no
set sort = mailbox-order
set header_cache = ""
set charset = utf-8
set send_charset = utf-8
"""


@dataclass
class Host:
    """A mail host as a client is told of it."""

    name: str
    imap_port: int
    imaps_port: int
    submission_port: int
    submissions_port: int
    ca: pathlib.Path
    password: str

    def imap(self, user, password=None):
        """A raw connection over implicit TLS, logged in."""
        connection = Imap(self.imaps_port, ca=self.ca)
        connection.login(user, password or self.password)
        return connection

    def smtp(self, user, password=None):
        connection = Smtp(self.submissions_port, ca=self.ca)
        connection.login(user, password or self.password)
        return connection


def curl(host, user, path, *arguments, starttls=False, check=True,
         binary=True):
    """curl on a mailbox URL; returns its standard output."""
    scheme, port = (("imap", host.imap_port) if starttls
                    else ("imaps", host.imaps_port))
    command = ["curl", "-sS", "--ssl-reqd", "--cacert", str(host.ca),
               "--max-time", "120", "-u", "%s:%s" % (user, host.password),
               "%s://localhost:%d/%s" % (scheme, port, path), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=130)
    if check and done.returncode != 0:
        raise RigError("curl: exit %d: %s" % (done.returncode,
                                              done.stderr.decode()))
    return done.stdout if binary else done.stdout.decode()


def curl_send(host, user, recipients, message_file):
    command = ["curl", "-sS", "--ssl-reqd", "--cacert", host.ca,
               "--max-time", "120", "-u", "%s:%s" % (user, host.password),
               "smtps://localhost:%d/client.example" % host.submissions_port,
               "--mail-from", user, "-T", message_file]
    for recipient in recipients:
        command += ["--mail-rcpt", recipient]
    return run(command, timeout=130)


def mbsync(host, user, directory, starttls=False, timeout=300):
    """Synchronise everything both ways between the mailbox and
    directory/mail; the state stays in directory."""
    directory = pathlib.Path(directory)
    store = directory / "mail"
    store.mkdir(parents=True, exist_ok=True)
    settings = directory / "mbsyncrc"
    settings.write_text(MBSYNC.format(
        port=host.imap_port if starttls else host.imaps_port, user=user,
        password=host.password, ca=host.ca, store=store,
        ssl_type="STARTTLS" if starttls else "IMAPS"))
    run(["mbsync", "-c", settings, "-a"], timeout=timeout,
        env=dict(os.environ, HOME=str(directory)))
    return store


def without_tuid(message):
    """The message less the header line mbsync adds to find its uploads."""
    head, separator, body = message.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = message.partition(b"\n\n")
    lines = head.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(b"X-TUID:")]
    return b"".join(kept).rstrip(b"\r\n") + separator + body


def msmtp(host, user, recipients, message, directory, starttls=False):
    settings = pathlib.Path(directory) / "msmtprc"
    settings.write_text(MSMTP.format(
        ca=host.ca, user=user, password=host.password,
        log=pathlib.Path(directory) / "msmtp.log",
        port=host.submission_port if starttls else host.submissions_port,
        starttls="on" if starttls else "off"))
    settings.chmod(0o600)
    done = subprocess.run(
        ["msmtp", "-C", str(settings), "-f", user, "--", *recipients],
        input=message, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=120)
    if done.returncode != 0:
        raise RigError("msmtp: exit %d: %s" % (done.returncode,
                                               done.stdout.decode()))


def swaks(host, user, recipients, *arguments, starttls=False, check=True,
          password=None):
    """swaks sends its test message; returns the dialogue."""
    tls = (["--tls"] if starttls else ["--tls-on-connect"])
    port = host.submission_port if starttls else host.submissions_port
    done = run(["swaks", "--server", "localhost", "--port", port, *tls,
                "--tls-verify", "--tls-ca-path", host.ca,
                "--auth", "PLAIN", "--auth-user", user, "--auth-password",
                password or host.password, "--from", user, "--to",
                ",".join(recipients), *arguments], check=check, timeout=120)
    return done.stdout.decode("utf-8", "replace")


def neomutt(host, user, directory, arguments=(), keys=None, stdin=b"",
            starttls=False, timeout=60):
    """neomutt in batch mode, or at a terminal typing keys."""
    directory = pathlib.Path(directory)
    settings = directory / "neomuttrc"
    settings.write_text(NEOMUTT.format(
        scheme="imap" if starttls else "imaps",
        port=host.imap_port if starttls else host.imaps_port,
        smtp_port=host.submissions_port, user=user, password=host.password,
        ca=host.ca, directory=directory))
    command = ["neomutt", "-n", "-F", str(settings), *map(str, arguments)]
    environment = dict(os.environ, HOME=str(directory), TERM="xterm",
                       LC_ALL="C.UTF-8")
    if keys is None:
        done = subprocess.run(command, input=stdin, env=environment,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
        if done.returncode != 0:
            raise RigError("neomutt: exit %d: %s" % (
                done.returncode, done.stdout.decode("utf-8", "replace")))
        return done.stdout.decode("utf-8", "replace")
    return _at_a_terminal(command + ["-e", "push '%s'" % keys], environment,
                          timeout)


def _at_a_terminal(command, environment, timeout):
    """Run a program that wants a screen; returns what it drew."""
    pid, screen = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    drawn, deadline = b"", time.monotonic() + timeout
    try:
        while time.monotonic() < deadline:
            if not select.select([screen], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(screen, 65536)
            except OSError:
                piece = b""  # the program closed its side
            if not piece:
                os.waitpid(pid, 0)
                pid = None
                return drawn.decode("utf-8", "replace")
            drawn += piece
        raise RigError("%s did not end: %r" % (command[0], drawn[-2000:]))
    finally:
        os.close(screen)
        if pid is not None:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def node(script, *arguments, cwd, timeout=120):
    """Run a Node script; returns its standard output."""
    done = subprocess.run(["node", str(script), *map(str, arguments)],
                          cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)
    if done.returncode != 0:
        raise RigError("%s: exit %d: %s%s" % (
            script, done.returncode, done.stdout.decode()[-2000:],
            done.stderr.decode()[-4000:]))
    return done.stdout.decode()
