"""postfix: the provider's submission server, private to one directory.

Offers STARTTLS and implicit TLS, asks Dovecot about passwords, and hands
every message to Dovecot's LMTP whatever its domain: mail to the outside world
lands in a mailbox of that address, where a test can read it.
"""

import os
import re

from . import ports
from .process import (RigError, Server, give, identity, is_root, run,
                      wait_until)

MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = {log}
maillog_file_prefixes = {directory}
myhostname = submission.postern.example
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1{ipv6}
inet_protocols = {protocols}
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:no local delivery
default_transport = lmtp:unix:{lmtp_socket}
relay_transport = lmtp:unix:{lmtp_socket}
smtputf8_enable = yes
disable_vrfy_command = no
message_size_limit = {size_limit}
mailbox_size_limit = 0
virtual_mailbox_limit = 0
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl_socket}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = {recipient_restrictions}
smtpd_end_of_data_restrictions = {data_restrictions}
smtp_tls_security_level = none
lmtp_destination_concurrency_limit = 8
"""

# service type private unpriv chroot wakeup maxproc command
MASTER = """\
{submission_port} inet n - n - 200 smtpd
{submissions_port} inet n - n - 200 smtpd -o smtpd_tls_wrappermode=yes
{v6_submission_port} inet n - n - 200 smtpd
{v6_submissions_port} inet n - n - 200 smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

REFUSED_RECIPIENT = "refused@partner.example"
DEFERRED_RECIPIENT = "deferred@partner.example"


class Postfix(Server):
    name = "postfix"

    def __init__(self, directory, certificates, dovecot,
                 certificate="provider", size_limit=200 << 20):
        super().__init__(directory)
        self.certificates = certificates
        self.certificate_name = certificate
        self.dovecot = dovecot
        self.size_limit = size_limit
        self.submission_port = ports.free_port()
        self.submissions_port = ports.free_port()
        self.configuration = self.directory / "etc"
        self.queue = self.directory / "spool"

    @staticmethod
    def is_possible():
        """Postfix's master insists on root."""
        return is_root()

    def prepare(self):
        if not self.is_possible():
            raise RigError("postfix starts only as root")
        owner = identity("postfix")
        self.configuration.mkdir(exist_ok=True)
        self.queue.mkdir(exist_ok=True)
        give(self.directory / "data", owner, 0o700)
        self._write_restrictions()
        ipv6 = ports.has_ipv6()
        (self.configuration / "main.cf").write_text(MAIN.format(
            queue=self.queue, data=self.directory / "data",
            directory=self.directory, log=self.log_path,
            ipv6=", ::1" if ipv6 else "",
            protocols="all" if ipv6 else "ipv4",
            lmtp_socket=self.dovecot.lmtp_socket,
            sasl_socket=self.dovecot.sasl_socket,
            size_limit=self.size_limit,
            certificate=self.certificates.certificate(self.certificate_name),
            key=self.certificates.key(self.certificate_name),
            recipient_restrictions="check_recipient_access texthash:%s" % (
                self.configuration / "recipients"),
            data_restrictions=""))
        master = MASTER.format(
            submission_port="127.0.0.1:%d" % self.submission_port,
            submissions_port="127.0.0.1:%d" % self.submissions_port,
            v6_submission_port="[::1]:%d" % self.submission_port,
            v6_submissions_port="[::1]:%d" % self.submissions_port)
        if not ipv6:
            master = re.sub(r"(?m)^\[::1\].*\n", "", master)
        (self.configuration / "master.cf").write_text(master)

    def _write_restrictions(self):
        """Recipients that this provider always refuses, for tests."""
        (self.configuration / "recipients").write_text(
            "%s 550 5.1.1 no such person here\n"
            "%s 451 4.2.0 try again in an hour\n"
            % (REFUSED_RECIPIENT, DEFERRED_RECIPIENT))

    def command(self):
        return ["/usr/sbin/postfix", "-c", self.configuration, "start-fg"]

    def environment(self):
        # postlog and friends find their main.cf by this.
        return dict(os.environ, MAIL_CONFIG=str(self.configuration),
                    LC_ALL="C.UTF-8")

    def is_ready(self):
        return (ports.answers(self.submission_port, greeting=b"220")
                and ports.answers(self.submissions_port))

    def queued(self):
        """Lines of the queue that still wait, newest last."""
        text = run(["/usr/sbin/postqueue", "-c", self.configuration, "-j"]
                   ).stdout.decode()
        return [line for line in text.splitlines() if line.startswith("{")]

    def wait_delivered(self, seconds=30):
        """Return once the queue is empty."""
        wait_until(lambda: not self.queued(), "an empty postfix queue",
                   seconds, pause=0.1)
