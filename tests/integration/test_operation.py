"""Running it: reload, drain, replaced workers, balancers, names, families."""

import os
import re
import signal
import socket
import ssl
import struct
import time

import pytest

from conftest import host_of
from rig import ports, samples, wait_until
from rig.wire import Imap, Smtp, Wire


@pytest.fixture
def own(rig):
    """Starts gateways of the test's own; stops them after it."""
    running = []

    def make(**settings):
        made = rig.gateway("own%d" % len(list(rig.directory.glob("own*"))),
                           **settings)
        running.append(made)
        made.start()
        return made

    yield make
    for one in running:
        one.stop()


def workers(gateway):
    """The processes below the master that carry sessions."""
    return [pid for pid in gateway.processes("posternd")
            if pid != gateway.pid]


def certificate_of(port, ca, name="localhost"):
    """The certificate shown to somebody who asks for name."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    with socket.create_connection(("localhost", port), 10) as raw:
        with context.wrap_socket(raw, server_hostname=name) as tls:
            return tls.getpeercert()


def names_of(certificate):
    return {value for _, value in certificate["subjectAltName"]}


def test_reload_takes_the_new_certificate_and_keeps_sessions(own, rig,
                                                             user):
    gateway = own()
    host = host_of(gateway)
    with host.imap(user) as imap:
        assert "renewed.postern.example" not in names_of(
            certificate_of(gateway.imaps_port, rig.certificates.ca))
        rig.certificates.issue("renewed", "DNS:localhost,"
                               "DNS:renewed.postern.example")
        gateway.settings["certificate"] = {"rig": {
            "chain": rig.certificates.certificate("renewed"),
            "key": rig.certificates.key("renewed")}}
        gateway.write_configuration()
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: "renewed.postern.example" in names_of(
            certificate_of(gateway.imaps_port, rig.certificates.ca)),
            "the renewed certificate")
        imap.ok("SELECT INBOX")
    with host.smtp(user) as smtp:
        assert smtp.code("NOOP") == 250


def test_reload_of_a_bad_file_keeps_the_old_and_says_where(own, user):
    gateway = own()
    host = host_of(gateway)
    with open(gateway.configuration, "a") as text:
        text.write("limits { max_conections = 1 }\n")
    lines = gateway.configuration.read_text().count("\n")
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: re.search(r"postern\.conf:%d: .*max_conections"
                                 % lines, gateway.log_text()),
               "the fault with its line in the log")
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")


def test_sigterm_says_bye_between_commands_and_ends(own, user, submission):
    gateway = own(drain_timeout_s=5)
    host = host_of(gateway)
    idle, quiet, mail = host.imap(user), host.imap(user), host.smtp(user)
    idle.ok("SELECT INBOX")
    idle.send(b"i IDLE\r\n")
    idle.until(b"+")
    quiet.ok("NOOP")
    gateway.signal(signal.SIGTERM)
    for imap in (idle, quiet):
        assert any(line.startswith(b"* BYE")
                   for line in imap.rest().splitlines())
    assert mail.rest().splitlines()[-1].startswith(b"421")
    wait_until(lambda: not gateway.is_running(), "posternd to end", 10)


def test_sigterm_lets_a_transfer_finish(own, user, rig):
    gateway = own(drain_timeout_s=20)
    host = host_of(gateway)
    message = samples.multipart(1, 20 << 20)
    rig.dovecot.seed(user, [message])
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
        imap.send(b"f FETCH 1 (BODY.PEEK[])\r\n")
        head = imap.line()
        gateway.signal(signal.SIGTERM)
        time.sleep(0.5)
        size = int(head.rsplit(b"{")[1].split(b"}")[0])
        assert imap.exactly(size) == message
        assert b"f OK" in imap.rest()


def test_killed_worker_is_replaced_and_counted(own, user):
    gateway = own(workers=2)
    host = host_of(gateway)
    before = workers(gateway)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(workers(gateway)) == 2
               and workers(gateway) != before, "a new worker")
    for _ in range(6):
        with host.imap(user) as imap:
            imap.ok("NOOP")
    died = gateway.cli("status", "--metrics").stdout.decode()
    assert re.search(r"^postern_workers_died\S* 1$", died, re.M)


def test_certificate_is_chosen_by_name(own, rig):
    rig.certificates.issue("second", "DNS:second.postern.example")
    gateway = own(certificate={"second": {
        "chain": rig.certificates.certificate("second"),
        "key": rig.certificates.key("second"),
        "names": ["second.postern.example"]}})
    assert names_of(certificate_of(
        gateway.imaps_port, rig.certificates.ca,
        "second.postern.example")) == {"second.postern.example"}
    assert "localhost" in names_of(certificate_of(
        gateway.imaps_port, rig.certificates.ca, "localhost"))


@pytest.mark.skipif(not ports.has_ipv6(), reason="no IPv6 here")
def test_both_families_on_both_legs(own, rig, user):
    port, all_port = ports.free_port(), ports.free_port()
    gateway = own(
        listener={"imaps6": {"protocol": "imap", "address": "::1",
                             "port": port, "tls": "implicit"},
                  "imapsall": {"protocol": "imap", "address": "::",
                               "port": all_port, "tls": "implicit"}},
        provider={"rig": {"imap_host": "::1"}})
    for host, number in (("::1", port), ("127.0.0.1", gateway.imaps_port),
                         ("::1", all_port), ("127.0.0.1", all_port)):
        with Imap(number, ca=rig.certificates.ca, host=host) as imap:
            imap.login(user, rig.provider.password)
            imap.ok("SELECT INBOX")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_provider_is_reached_either_way(own, rig, user, tls, submission):
    imaps = tls == "implicit"
    gateway = own(provider={"rig": {
        "imap_tls": tls, "smtp_tls": tls,
        "imap_port": rig.dovecot.imaps_port if imaps
        else rig.dovecot.imap_port,
        "smtp_port": rig.postfix.submissions_port if imaps
        else rig.postfix.submission_port}})
    host = host_of(gateway)
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
    with host.smtp(user) as smtp:
        assert smtp.submit(user, ["a@partner.example"],
                           samples.message(1))[-1].startswith(b"250")


def proxy_v1(source):
    return b"PROXY TCP4 %s 127.0.0.1 40000 993\r\n" % source.encode()


def proxy_v2(source):
    body = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") \
        + struct.pack(">HH", 40000, 993)
    body += b"\x04\x00\x03abc"  # a TLV nobody asked for
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(body)) \
        + body


@pytest.mark.parametrize("header", [proxy_v1, proxy_v2], ids=["v1", "v2"])
def test_proxy_header_names_the_client(own, rig, user, header):
    port = ports.free_port()
    gateway = own(trusted_networks=["127.0.0.0/8"], listener={
        "balanced": {"protocol": "imap", "address": "127.0.0.1",
                     "port": port, "tls": "implicit",
                     "proxy_protocol": True}})
    wire = Wire(port)
    wire.send(header("192.0.2.77"))
    wire.start_tls(rig.certificates.ca)
    assert wire.line().startswith(b"* OK")
    wire.send(b'a LOGIN "%s" "%s"\r\nb LOGOUT\r\n' % (
        user.encode(), rig.provider.password.encode()))
    assert b"a OK" in wire.rest()
    wait_until(lambda: "192.0.2.77" in gateway.log_text(),
               "the client's address in the log")


@pytest.mark.parametrize("start", [
    b"\x16\x03\x01\x02\x00", b"PROXY NONSENSE\r\n",
    b"PROXY TCP4 " + b"1" * 300, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    b"a LOGIN x y\r\n"])
def test_missing_or_broken_proxy_header_is_refused(own, start):
    port = ports.free_port()
    own(trusted_networks=["127.0.0.0/8"], listener={
        "balanced": {"protocol": "imap", "address": "127.0.0.1",
                     "port": port, "tls": "starttls",
                     "proxy_protocol": True}},
        limits={"preauth_timeout_s": 2})
    with Wire(port) as wire:
        wire.send(start)
        assert wire.rest() == b""


def test_unknown_organizations_are_refused_when_told_so(own, user,
                                                        make_user):
    gateway = own(carry_unknown_organizations=False)
    host = host_of(gateway)
    stranger = make_user("stranger.example")
    with Imap(host.imaps_port, ca=host.ca) as imap:
        answer = imap.command('LOGIN "%s" "%s"' % (stranger, host.password))
        assert b" NO " in answer[-1]
    with host.imap(user) as imap:
        imap.ok("NOOP")


def test_plain_text_is_possible_on_loopback_only_when_configured(own, rig,
                                                                 user):
    port = ports.free_port()
    own(listener={"plain": {"protocol": "imap", "address": "127.0.0.1",
                            "port": port, "tls": "none"}})
    with Imap(port) as imap:
        imap.login(user, rig.provider.password)
        imap.ok("SELECT INBOX")


def test_failed_logins_are_limited_per_account(own, user):
    gateway = own(limits={"max_auth_failures_per_account": 3})
    host = host_of(gateway)
    answers = []
    for _ in range(8):
        with Imap(host.imaps_port, ca=host.ca) as imap:
            answers.append(imap.command('LOGIN "%s" "wrong"' % user)[-1])
    assert b"AUTHENTICATIONFAILED" in answers[0]
    # Even the right password waits now; nobody else does.
    with Imap(host.imaps_port, ca=host.ca) as imap:
        answer = imap.command('LOGIN "%s" "%s"' % (user, host.password))[-1]
        assert b" NO " in answer
    with host.imap("other-" + user) as imap:
        imap.ok("NOOP")


def test_status_and_metrics_are_told_on_the_control_socket(own, user):
    gateway = own()
    host = host_of(gateway)
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
        text = gateway.cli("status", "--metrics").stdout.decode()
        assert re.search(r"^# TYPE postern_\w+ (counter|gauge)$", text,
                         re.M)
        assert re.search(r"^postern_open_sessions\S* [1-9]", text, re.M)
        assert gateway.cli("status").stdout.startswith(b"posternd ")


def test_no_credential_and_no_content_is_ever_logged(own, rig, user,
                                                     make_user, submission):
    gateway = own(log_level="debug")
    host = host_of(gateway)
    person = make_user("partner.example")
    canary = "canary-%d-in-the-log" % os.getpid()
    rig.dovecot.seed(user, [samples.message(
        1, subject=canary, body=canary + "\n")])
    with host.imap(user) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("FETCH 1 (ENVELOPE BODY[])")
        imap.command('SEARCH SUBJECT "%s"' % canary)
    with Imap(host.imaps_port, ca=host.ca) as imap:
        imap.command('LOGIN "%s" "%s"' % (user, canary))
    with host.smtp(user) as smtp:
        smtp.submit(user, [person], samples.message(2, subject=canary))
    with Smtp(host.submissions_port, ca=host.ca) as smtp:
        smtp.command("EHLO client.example")
        smtp.command("AUTH PLAIN " + canary)
    gateway.stop()
    log = gateway.log_text()
    assert user in log
    for secret in (canary, rig.provider.password, "AHVz"):
        assert secret not in log


def test_posternd_starts_without_redis_and_postgresql(own, rig, user):
    gateway = own(queue={"redis": "unix:/nonexistent/redis.sock"},
                  database={"writer": "host=/nonexistent"})
    rig.dovecot.seed(user, [samples.message(1)])
    with host_of(gateway).imap(user) as imap:
        imap.ok("SELECT INBOX")
        assert samples.message(1) in b"".join(imap.ok("FETCH 1 (BODY[])"))


def test_started_as_root_it_drops_to_its_user(rig, user):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    gateway = rig.gateway("rooted", user="nobody")
    command = gateway.command
    gateway.command = lambda: command()[command().index(
        gateway.program("posternd")):]
    gateway.start()
    try:
        for pid in workers(gateway):
            assert os.stat("/proc/%d" % pid).st_uid != 0
        with host_of(gateway).imap(user) as imap:
            imap.ok("NOOP")
    finally:
        gateway.stop()
