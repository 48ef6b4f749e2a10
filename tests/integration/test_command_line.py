"""The postern command: first steps and clear words."""

import json
import os
import socket
import subprocess

import pytest

from conftest import build_directory


@pytest.fixture(scope="module")
def postern():
    """Runs postern; returns its exit status and what it said."""
    program = build_directory() / "postern"
    if not program.is_file():
        pytest.skip("postern is not built")

    def run(*words, stdin=b""):
        done = subprocess.run([str(program), *map(str, words)], input=stdin,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.fixture
def inited(postern, tmp_path):
    """A directory as postern init leaves it."""
    status, _, said = postern(
        "init", "--dir", tmp_path / "etc" / "postern", "--state-dir",
        tmp_path / "var" / "lib" / "postern", "--preset", "dovecot",
        "--imap-host", "127.0.0.1", "--smtp-host", "127.0.0.1",
        "--organization", "acme", "--domain", "acme.com", "--user",
        "nobody")
    assert status == 0, said
    return tmp_path / "etc" / "postern"


def test_init_writes_what_check_accepts(postern, inited, tmp_path):
    inspector = build_directory() / "postern-inspect"
    conf = inited / "postern.conf"
    text = conf.read_text()
    assert text.count("#") > 30
    if not inspector.is_file():
        inspector = "/bin/true"
    conf.write_text(text + '\ninspector { program = "%s" }\n' % inspector)
    status, _, said = postern("check", "-c", conf)
    assert status == 0, said


def test_init_protects_secrets_and_gives_the_state_to_its_user(inited,
                                                               tmp_path):
    for secret in ("event.key", "tls/key.pem", "postern.conf"):
        assert (inited / secret).stat().st_mode & 0o007 == 0
    assert (inited / "event.key").stat().st_size == 32
    state = (tmp_path / "var" / "lib" / "postern").stat()
    assert state.st_mode & 0o007 == 0
    if os.geteuid() == 0:
        assert state.st_uid != 0


def test_init_overwrites_nothing(postern, inited):
    before = {path: path.read_bytes() for path in inited.rglob("*")
              if path.is_file()}
    status, _, _ = postern("init", "--dir", inited, "--state-dir",
                           inited / "state")
    assert status == 0
    assert before == {path: path.read_bytes() for path in before}


# Rows: a fault, the line it is on, a word of what is said.
FAULTS = [
    ('listner "x" { }\n', 1, "listener"),
    ('provider "a" { imap_tls = maybe }\n', 1, "maybe"),
    ("\n\nlimits { max_connections = -1 }\n", 3, "max_connections"),
    ("workers = 1000000\n", 1, "workers"),
    ('organization "a" { domains = {"not a domain"} }\n', 1, "domain"),
    ("limits {\n", None, "}"),
    ('listener "a" { address = "mail.acme.com" }\n', 1, "address"),
]


@pytest.mark.parametrize("text, line, word", FAULTS,
                         ids=[fault[2] for fault in FAULTS])
def test_check_says_file_line_what_and_hint(postern, tmp_path, text, line,
                                            word):
    conf = tmp_path / "bad.conf"
    conf.write_text(text)
    status, _, said = postern("check", "-c", conf)
    assert status == 1
    start = "%s:" % conf if line is None else "%s:%d:" % (conf, line)
    assert any(one.startswith(start) and word in one
               for one in said.splitlines()), said


def test_missing_file_is_one_clear_line(postern, tmp_path):
    status, _, said = postern("check", "-c", tmp_path / "none.conf")
    assert status == 1
    assert len(said.splitlines()) == 1 and "postern init" in said


def test_a_file_that_cannot_be_read_says_why(postern, tmp_path):
    (tmp_path / "nul.conf").write_bytes(b"a = 1\0\n")
    for path, why in ((tmp_path, "directory"),
                      (tmp_path / "nul.conf", "character")):
        status, _, said = postern("check", "-c", path)
        assert status == 1
        assert len(said.splitlines()) == 1 and why in said
        assert "postern init" not in said


def test_check_reads_the_address_of_redis(postern, tmp_path):
    file = tmp_path / "redis.conf"
    file.write_text(postern("init", "--print", "--imap-host", "127.0.0.1")[1]
                    + 'queue { redis = "http://there" }\n')
    status, _, said = postern("check", "-c", file)
    assert status == 1 and '"http://there" is no address' in said


def test_init_writes_the_user_and_absolute_paths(postern):
    status, said, _ = postern("init", "--print", "--dir", "here", "--user",
                              "nobody")
    assert status == 0
    assert '\nuser = "nobody"\n' in said
    assert '\tchain = "/' in said and "/here/tls/chain.pem" in said


@pytest.mark.parametrize("name", ['a"b', "a\nb", "a\\", "${HOME}"])
def test_init_writes_nothing_that_cannot_be_read_back(postern, name):
    status, said, error = postern("init", "--print", "--organization", name,
                                  "--domain", "acme.com")
    assert status == 2 and said == "" and "possible" in error


@pytest.mark.parametrize("words", [["--help"], ["--version"],
                                   ["init", "--print"]])
def test_output_that_does_not_arrive_is_an_error(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([build_directory() / "postern", *words],
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"cannot write" in done.stderr


def test_usage_names_every_command(postern):
    status, said, _ = postern("--help")
    assert status == 0
    for command in ("check", "contacts", "db", "extract", "init", "status",
                    "trace"):
        assert "\n  %s" % command in said
    assert postern("frobnicate")[0] == 2
    assert postern()[0] == 2


MESSAGE = b"""From: Anna Weber <anna.weber@partner.example>\r
To: sales1@acme.com\r
Date: Tue, 4 Mar 2025 10:00:00 +0100\r
Message-ID: <1@partner.example>\r
Subject: price list\r
\r
Hello,\r
\r
please send your price list.\r
\r
-- \r
Anna Weber\r
Head of Purchasing\r
Partner GmbH\r
+49 89 32168 123\r
"""


def test_extract_prints_one_json_object_a_contact(postern):
    status, said, error = postern("extract", "--json", stdin=MESSAGE)
    assert status == 0, error
    contacts = [json.loads(line) for line in said.splitlines()]
    anna = [one for one in contacts
            if one["email"] == "anna.weber@partner.example"][0]
    assert anna["name"] == "Anna Weber"
    assert anna["title"] == "Head of Purchasing"
    assert anna["company"] == "Partner GmbH"
    assert [phone["e164"] for phone in anna["phones"]] == ["+498932168123"]
    assert set(anna) >= {"urls", "postal_address", "kind", "source",
                         "confidence"}


@pytest.mark.parametrize("content", [
    b"", b"\0" * 1000, b"From: x", b"(" * 200000, MESSAGE[:200],
    b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 20000,
    b"Subject: " + b"x" * (10 << 20) + b"\r\n\r\n",
    b"To: " + b"(" * 200000 + b"\r\n\r\n",
    b"From: a@b.example\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b"!!!=" * 10000], ids=range(9))
def test_extract_survives_any_message(postern, content):
    status, _, said = postern("extract", "--json", "--why", stdin=content)
    assert status in (0, 1), said
    assert "Sanitizer" not in said


# --- what keeps posternd from starting --------------------------------------


@pytest.fixture
def startable(inited):
    """Runs posternd with sections added to the configuration: its exit
    status and the lines it said."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for parent in inited.parents:
        # pytest's own directories, which only its user may enter.
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    text = (inited / "postern.conf").read_text()
    listeners = text.index('listener "')
    text = text[:listeners] + text[text.index("\n# ", text.index(
        'listener "submission"')):]

    def run(more, **changes):
        file = inited / "start.conf"
        changed = text
        for old, new in changes.items():
            assert old in changed
            changed = changed.replace("/%s.pem" % old, new)
        run_dir = inited.parent / "run"
        file.write_text(
            'run_dir = "%s"\nworkers = 1\n' % run_dir + changed
            + 'inspector { program = "%s" }\n' % (
                build_directory() / "postern-inspect") + more)
        done = subprocess.run([build_directory() / "posternd", "-c", file],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30)
        return done.returncode, done.stdout.decode().splitlines()

    return run


def listener(port):
    return ('listener "one" {\n\taddress = "127.0.0.1"\n\tport = %d\n}\n'
            % port)


def test_a_port_in_use_is_one_clear_line(startable):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, said = startable(listener(port))
    assert status == 1
    assert len(said) == 1 and "port %d: Address already in use" % port \
        in said[0]


@pytest.mark.parametrize("more, changes, why", [
    ("", {"chain": "/none.pem"}, "/none.pem: No such file or directory"),
    ('queue { redis = "http://there" }\n', {}, "is no address"),
    ('queue { journal_dir = "/dev/null" }\n', {}, "is no directory"),
])
def test_what_cannot_work_is_said_before_it_starts(startable, more, changes,
                                                   why):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, said = startable(listener(port) + more, **changes)
    assert status == 1
    assert len(said) == 1 and why in said[0], said
