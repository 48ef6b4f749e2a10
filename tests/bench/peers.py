"""peers: the proxies that are measured side by side, one class each.

All of them take TLS from the client and make TLS to the sink, verify its
certificate, may resume their sessions to it, and have one worker. To add a
peer, write its class and name it in PEERS. Knows nothing of loads.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

from rig import ports                                      # noqa: E402
from rig.postern import ORGANIZATION, Gateway              # noqa: E402
from rig.process import Server, give, identity, is_root    # noqa: E402

# Where the mail comes from belongs to the organization; whom it comes from
# does not.
DOMAIN = "bench.example"


class Peer(Server):
    """A proxy on imap_port and smtp_port of 127.0.0.1."""

    # Whether its mail is looked at beside the client's way: its processes
    # may then work on after the load has ended.
    looks_inside = False
    has_imap = True
    # Whether it answers before the sink has the message.
    delivers_later = False

    def __init__(self, directory, bench):
        super().__init__(directory)
        self.bench = bench
        self.imap_port = ports.free_port()
        self.smtp_port = ports.free_port()

    def is_ready(self):
        return ports.answers(self.imap_port)

    @classmethod
    def why_not(cls):
        """Why it cannot run here; None: it can."""
        if not pathlib.Path(cls.program_path).exists():
            return "%s is not installed" % cls.program_path
        return None

    def port(self, protocol):
        """Where it takes "imap" or "smtp"; None: it does not."""
        return {"imap": self.imap_port, "smtp": self.smtp_port}[protocol]

    def parts(self):
        """Process ids by what they are; everything counts."""
        return {"proxy": self.processes()}

    def counters(self):
        """What the peer counted of its own work, for the report."""
        return {}


class Direct:
    """No proxy: the client talks to the sink."""

    name = "direct"
    has_imap = True
    looks_inside = False
    delivers_later = False

    @classmethod
    def why_not(cls):
        return None

    def __init__(self, directory, bench):
        self.sink = bench.sink

    def port(self, protocol):
        return self.sink.port(protocol)

    def start(self):
        return self

    def stop(self):
        pass

    def parts(self):
        return {}

    def counters(self):
        return {}


class NginxStream(Peer):
    name = "nginx"
    program_path = "/usr/sbin/nginx"

    SERVER = """
	server {{
		listen 127.0.0.1:{port} ssl;
		proxy_pass 127.0.0.1:{sink_port};
	}}
"""
    CONFIGURATION = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
{user}worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{
	worker_connections 20000;
}}
stream {{
	ssl_certificate {certificate};
	ssl_certificate_key {key};
	ssl_protocols TLSv1.3;
	proxy_ssl on;
	proxy_ssl_protocols TLSv1.3;
	proxy_ssl_verify on;
	proxy_ssl_trusted_certificate {ca};
	proxy_ssl_name localhost;
	proxy_ssl_server_name on;
	proxy_timeout 1h;
{servers}}}
"""

    def prepare(self):
        pairs = ((self.imap_port, self.bench.sink.imap_port),
                 (self.smtp_port, self.bench.sink.smtp_port))
        (self.directory / "nginx.conf").write_text(self.CONFIGURATION.format(
            user="user nobody nogroup;\n" if is_root() else "",
            directory=self.directory, ca=self.bench.certificates.ca,
            certificate=self.bench.certificates.certificate("gateway"),
            key=self.bench.certificates.key("gateway"),
            servers="".join(self.SERVER.format(port=port, sink_port=sink)
                            for port, sink in pairs)))

    def command(self):
        return self.bench.pinned("proxy", [
            "/usr/sbin/nginx", "-p", self.directory, "-c",
            self.directory / "nginx.conf", "-e", "stderr",
            "-g", "daemon off;"])


class Haproxy(Peer):
    name = "haproxy"
    program_path = "/usr/sbin/haproxy"

    SECTION = """
listen port{port}
	bind 127.0.0.1:{port} ssl crt {pem}
	server sink 127.0.0.1:{sink_port} ssl verify required ca-file {ca} \
verifyhost localhost sni str(localhost)
"""
    CONFIGURATION = """\
global
	nbthread 1
	maxconn 9000
	ssl-default-bind-options ssl-min-ver TLSv1.3
	ssl-default-server-options ssl-min-ver TLSv1.3
defaults
	mode tcp
	timeout connect 10s
	timeout client 1h
	timeout server 1h
{sections}"""

    def prepare(self):
        certificates = self.bench.certificates
        pem = self.directory / "gateway.both.pem"
        pem.write_text(certificates.certificate("gateway").read_text()
                       + certificates.key("gateway").read_text())
        pairs = ((self.imap_port, self.bench.sink.imap_port),
                 (self.smtp_port, self.bench.sink.smtp_port))
        (self.directory / "haproxy.cfg").write_text(self.CONFIGURATION.format(
            sections="".join(self.SECTION.format(
                port=port, sink_port=sink, pem=pem, ca=certificates.ca)
                for port, sink in pairs)))

    def command(self):
        return self.bench.pinned("proxy", [
            "/usr/sbin/haproxy", "-f", self.directory / "haproxy.cfg",
            "-db"])


class Dovecot(Peer):
    """IMAP and submission logins, both proxied by the login processes."""

    name = "dovecot"
    program_path = "/usr/sbin/dovecot"

    CONFIGURATION = """\
base_dir = {run}
state_dir = {state}
log_path = {log}
listen = 127.0.0.1
protocols = {protocols}
{identity}
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
ssl_ca = <{ca}
ssl_require_crl = no
auth_mechanisms = plain login
auth_failure_delay = 0
login_log_format_elements =
passdb {{
  driver = static
  args = nopassword=y proxy=y host=localhost hostip=127.0.0.1 ssl=yes \
port=%{{if;%s;eq;imap;{sink_imap};{sink_smtp}}}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imap_port}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 9000
  chroot =
}}
{submission}service anvil {{
  chroot =
}}
service auth {{
  client_limit = 20000
}}
default_client_limit = 20000
default_vsz_limit = 4G
"""
    SUBMISSION = """\
submission_relay_host = 127.0.0.1
service submission-login {{
  inet_listener submission {{
    port = 0
  }}
  inet_listener submissions {{
    port = {smtp_port}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 9000
  chroot =
}}
"""

    def prepare(self):
        for name in ("run", "state"):
            (self.directory / name).mkdir(exist_ok=True)
        submission = pathlib.Path(
            "/usr/lib/dovecot/submission-login").exists()
        if not submission:
            self.smtp_port = None
        user = identity("nobody").pw_name
        names = "" if is_root() else (
            "default_login_user = %s\ndefault_internal_user = %s\n"
            % (user, user))
        certificates = self.bench.certificates
        (self.directory / "dovecot.conf").write_text(
            self.CONFIGURATION.format(
                run=self.directory / "run", state=self.directory / "state",
                log=self.log_path, identity=names,
                protocols="imap submission" if submission else "imap",
                certificate=certificates.certificate("gateway"),
                key=certificates.key("gateway"), ca=certificates.ca,
                imap_port=self.imap_port,
                sink_imap=self.bench.sink.imap_port,
                sink_smtp=self.bench.sink.smtp_port,
                submission=self.SUBMISSION.format(smtp_port=self.smtp_port)
                if submission else ""))

    def command(self):
        return self.bench.pinned("proxy", [
            "/usr/sbin/dovecot", "-F", "-c",
            self.directory / "dovecot.conf"])


class _Auth(Server):
    """Dovecot's password service for Postfix: takes any."""

    name = "auth"
    CONFIGURATION = """\
base_dir = {run}
state_dir = {run}
log_path = {log}
listen = 127.0.0.1
protocols =
ssl = no
auth_mechanisms = plain
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {socket} {{
    mode = 0666
  }}
}}
"""

    def __init__(self, directory):
        super().__init__(directory)
        self.socket = self.directory / "sasl"

    def prepare(self):
        (self.directory / "run").mkdir()
        (self.directory / "dovecot.conf").write_text(
            self.CONFIGURATION.format(run=self.directory / "run",
                                      log=self.log_path, socket=self.socket))

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c",
                self.directory / "dovecot.conf"]

    def is_ready(self):
        return self.socket.exists()


class _Milter(Server):
    name = "milter"

    def __init__(self, directory, bench):
        super().__init__(directory)
        self.bench = bench
        self.socket = self.directory / "milter.sock"

    def command(self):
        return self.bench.pinned("proxy", [self.bench.program("milter"),
                                           self.socket])

    def is_ready(self):
        return self.socket.exists()


class Postfix(Peer):
    """Postfix with a milter that lets everything pass: what an agent's mail
    would cost with the means of a mail server. Takes responsibility, so it
    writes each message to disk; delivers to the sink."""

    name = "postfix"
    program_path = "/usr/sbin/postfix"
    has_imap = False
    delivers_later = True

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
myhostname = postfix.bench.example
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
in_flow_delay = 0
message_size_limit = 104857600
mailbox_size_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_wrappermode = yes
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_milters = unix:{milter}
relayhost = [127.0.0.1]:{sink}
disable_dns_lookups = yes
smtp_tls_wrappermode = yes
smtp_tls_security_level = encrypt
smtp_tls_session_cache_database = btree:{data}/smtp_scache
smtp_destination_concurrency_limit = 8
"""
    MASTER = """\
{port} inet n - n - 50 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, directory, bench):
        super().__init__(directory, bench)
        self.imap_port = None
        self.auth = _Auth(self.directory / "auth")
        self.milter = _Milter(self.directory / "milter", bench)
        self.configuration = self.directory / "etc"

    @classmethod
    def why_not(cls):
        if not is_root():
            return "its master insists on root"
        return super().why_not()

    def prepare(self):
        for name in ("etc", "spool"):
            (self.directory / name).mkdir()
        give(self.directory / "data", identity("postfix"), 0o700)
        certificates = self.bench.certificates
        (self.configuration / "main.cf").write_text(self.MAIN.format(
            queue=self.directory / "spool", data=self.directory / "data",
            log=self.log_path, directory=self.directory,
            certificate=certificates.certificate("gateway"),
            key=certificates.key("gateway"), sasl=self.auth.socket,
            milter=self.milter.socket, sink=self.bench.sink.smtp_port))
        (self.configuration / "master.cf").write_text(self.MASTER.format(
            port="127.0.0.1:%d" % self.smtp_port))

    def start(self, wait=True):
        self.auth.start()
        self.milter.start()
        return super().start(wait)

    def stop(self):
        super().stop()
        self.milter.stop()
        self.auth.stop()

    def command(self):
        return self.bench.pinned("proxy", [
            "/usr/sbin/postfix", "-c", self.configuration, "start-fg"])

    def environment(self):
        return dict(super().environment(),
                    MAIL_CONFIG=str(self.configuration))

    def is_ready(self):
        return ports.answers(self.smtp_port)

    def parts(self):
        return {"proxy": self.processes() + self.milter.processes()}


class _Sink:
    """The sink, where the rig expects Dovecot and Postfix."""

    def __init__(self, sink):
        self.imaps_port = sink.imap_port
        self.submissions_port = sink.smtp_port


class _NoDatabase:
    """posternd itself needs no PostgreSQL to carry mail."""

    @staticmethod
    def address(role):
        return "host=/nonexistent user=%s" % role


class _Rig:
    """What the rig's Gateway wants to know."""

    def __init__(self, bench):
        self.directory, self.build = bench.directory, bench.build
        self.certificates = bench.certificates
        self.dovecot = self.postfix = self.provider = _Sink(bench.sink)
        self.redis = bench.redis
        self.postgresql = _NoDatabase()


class Postern(Gateway):
    """posternd with every message in scope."""

    name = "postern"
    looks_inside = True
    has_imap = True
    delivers_later = False
    inspects = True
    # hold_until_complete, Postern's own default.
    holds = True

    def __init__(self, directory, bench):
        super().__init__(directory, _Rig(bench), **{
            "workers": 1,
            "log_level": "warning",
            "organization": {ORGANIZATION: {
                "domains": (DOMAIN,), "inspect": self.inspects}},
            "message": {"hold_until_complete": self.holds},
            # None is replaced in a round: its time would move to posternd's,
            # which buried it.
            "inspector": {"max_messages": 1000000},
            "limits": {
                "max_connections_per_account": 10000,
                "exempt_networks": ("127.0.0.0/8",)},
        })
        self.bench = bench

    @classmethod
    def why_not(cls):
        return None

    def port(self, protocol):
        return {"imap": self.imaps_port,
                "smtp": self.submissions_port}[protocol]

    def command(self):
        return self.bench.pinned("proxy", super().command())

    def counters(self):
        """Its metrics; "inspected" is what the report asks for."""
        found = {}
        text = self.cli("status", "--metrics").stdout.decode()
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = int(float(value))
        found["inspected"] = found.get("postern_messages_inspected_total", 0)
        return found

    def parts(self):
        inspectors = self.processes("postern-inspect")
        return {"inspector": inspectors,
                "proxy": [pid for pid in self.processes()
                          if pid not in inspectors]}


class PosternBlind(Postern):
    """The same posternd, told to look at nothing."""

    name = "postern-blind"
    looks_inside = False
    inspects = False


class PosternStream(Postern):
    """posternd that sends on what it is given as it comes. Its IMAP is that
    of the others, so it takes part in SMTP alone."""

    name = "postern-stream"
    has_imap = False
    holds = False

    def port(self, protocol):
        return None if protocol == "imap" else super().port(protocol)


PEERS = {peer.name: peer for peer in (Direct, NginxStream, Haproxy, Dovecot,
                                      Postfix, PosternBlind, PosternStream,
                                      Postern)}
