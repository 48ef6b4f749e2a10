"""dovecot: the provider's IMAP and LMTP server, private to one directory.

Every address is a mailbox and every mailbox has the rig's password, so a test
takes an address nobody else uses and owns it. Mail lies as Maildir with CRLF:
the bytes on disk are the bytes on the wire.
"""

import grp
import imaplib
import os
import pathlib
import ssl

from . import ports
from .process import RigError, Server, give, identity, is_root, run

PASSWORD = "open-sesame"
# Passwords that a careless proxy mangles; user name -> password.
ODD_PASSWORDS = {
    "quotes@acme.com": 'a"b\\c d',
    "umlaut@acme.com": "gr\u00fc\u00dfe",
    "braces@acme.com": "x{3}",
}

CONFIGURATION = """\
base_dir = {run}
state_dir = {state}
log_path = {log}
listen = {listen}
protocols = imap lmtp
{identity}
first_valid_uid = 1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
mail_location = maildir:~/Maildir
mail_save_crlf = yes
mail_fsync = never
mail_max_userip_connections = 200
mailbox_list_index = yes
# Where the kernel has no more inotify to give, IDLE looks for itself.
mailbox_idle_check_interval = 1 secs
lmtp_save_to_detail_mailbox = no
mail_attribute_dict = file:%h/attributes
mail_plugins = $mail_plugins acl quota notify
shutdown_clients = yes
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {users}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%Ld/%Ln allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
  mailbox Archive {{
    special_use = \\Archive
    auto = subscribe
  }}
}}
plugin {{
  acl = vfile
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=4G
}}
protocol imap {{
  mail_plugins = $mail_plugins imap_acl imap_quota
  imap_metadata = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
  client_limit = 4000
  {unchrooted}
}}
service imap {{
  process_limit = 2000
  client_limit = 1
}}
service anvil {{
  client_limit = 6000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
  {unchrooted}
}}
service auth {{
  client_limit = 8000
  unix_listener {sasl_socket} {{
    mode = 0666
  }}
}}
service lmtp {{
  unix_listener {lmtp_socket} {{
    mode = 0666
  }}
  process_limit = 20
}}
service stats {{
  {unchrooted}
}}
service imap-urlauth-login {{
  {unchrooted}
}}
"""


class Dovecot(Server):
    name = "dovecot"

    def __init__(self, directory, certificates, certificate="provider"):
        super().__init__(directory)
        self.certificates = certificates
        self.certificate_name = certificate
        self.imap_port = ports.free_port()
        self.imaps_port = ports.free_port()
        self.sasl_socket = self.directory / "sockets" / "sasl"
        self.lmtp_socket = self.directory / "sockets" / "lmtp"
        self.mail_directory = self.directory / "mail"
        self.owner = identity("mail")

    def prepare(self):
        for name in ("run", "state", "sockets"):
            (self.directory / name).mkdir(exist_ok=True)
        give(self.mail_directory, self.owner, 0o700)
        users = self.directory / "users"
        users.write_text("".join(
            "%s:%s\n" % (user, password)
            for user, password in ODD_PASSWORDS.items()))
        self._write_configuration()

    def _write_configuration(self):
        names, unchrooted = "", ""
        if not is_root():
            names = ("default_internal_user = {0}\ndefault_login_user = {0}\n"
                     "default_internal_group = {1}"
                     ).format(self.owner.pw_name,
                              grp.getgrgid(self.owner.pw_gid).gr_name)
            unchrooted = "chroot ="
        listen = "127.0.0.1" + (", ::1" if ports.has_ipv6() else "")
        text = CONFIGURATION.format(
            run=self.directory / "run", state=self.directory / "state",
            log=self.log_path, listen=listen, identity=names,
            unchrooted=unchrooted,
            certificate=self.certificates.certificate(self.certificate_name),
            key=self.certificates.key(self.certificate_name),
            users=self.directory / "users", password=PASSWORD,
            uid=self.owner.pw_uid, gid=self.owner.pw_gid,
            mail=self.mail_directory, imap_port=self.imap_port,
            imaps_port=self.imaps_port, sasl_socket=self.sasl_socket,
            lmtp_socket=self.lmtp_socket)
        (self.directory / "dovecot.conf").write_text(text)

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c",
                self.directory / "dovecot.conf"]

    def is_ready(self):
        return (self.lmtp_socket.exists() and self.sasl_socket.exists()
                and ports.answers(self.imap_port, greeting=b"* OK"))

    def connect(self, user, password=PASSWORD):
        """An imaplib connection straight to this server, logged in."""
        context = ssl.create_default_context(cafile=self.certificates.ca)
        connection = imaplib.IMAP4_SSL("localhost", self.imaps_port,
                                       ssl_context=context)
        connection.login('"%s"' % user, password)
        return connection

    def maildir(self, user, folder="INBOX"):
        """Where a mailbox lies; folder in modified UTF-7, / between."""
        local, _, domain = user.lower().partition("@")
        base = self.mail_directory / domain / local / "Maildir"
        if folder.upper() == "INBOX":
            return base
        return base / ("." + folder.replace("/", "."))

    def messages(self, user, folder="INBOX"):
        """The bytes of every message in a folder, from the disk."""
        found = []
        for name in ("new", "cur"):
            path = self.maildir(user, folder) / name
            if path.is_dir():
                found += [entry.read_bytes() for entry in sorted(
                    path.iterdir(), key=lambda entry: entry.name)]
        return found

    def seed(self, user, messages, folder="INBOX"):
        """Lay messages into a mailbox as its own deliveries would, fast.

        Each is bytes, or (bytes, flags) with flags in Maildir letters.
        """
        target = self.maildir(user, folder)
        created = self._make_maildir(target)
        for number, message in enumerate(messages):
            content, flags = (message if isinstance(message, tuple)
                              else (message, ""))
            path = target / "cur" / ("%010d.M%06dP%d.rig,S=%d,W=%d:2,%s" % (
                1700000000 + number, number, os.getpid(), len(content),
                len(content), flags))
            path.write_bytes(content)
            created.append(path)
        if is_root():
            for path in created:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def copy(self, user, other):
        """Make other's mailboxes equal to user's, indexes included."""
        source = self.maildir(user).parent
        target = self.maildir(other).parent
        target.parent.mkdir(parents=True, exist_ok=True)
        run(["cp", "-a", source, target])
        if is_root():
            os.chown(target.parent, self.owner.pw_uid, self.owner.pw_gid)

    def _make_maildir(self, target):
        created = []
        for path in (target / "cur", target / "new", target / "tmp"):
            missing = []
            while not path.exists():
                missing.append(path)
                path = path.parent
            if not pathlib.Path(path).is_relative_to(self.mail_directory):
                raise RigError("%s is outside the mail directory" % path)
            for one in reversed(missing):
                one.mkdir(mode=0o700)
                created.append(one)
        return created
