"""Fixtures: one provider for the whole run, and the hosts a client may use.

Every test that takes `host` runs twice: against the provider itself, which
shows that the test is right, and through the gateway, which shows that the
gateway is.
"""

import itertools
import os
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(TOP / "tests" / "lib"))

from rig import Rig, RigError  # noqa: E402
from rig.clients import Host  # noqa: E402
from rig.postfix import Postfix  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="run the long tests at their full size")
    parser.addoption("--no-skips", action="store_true",
                     help="a test that cannot run here is a failure")


def pytest_report_header(config):
    return "build under test: %s" % build_directory()


def build_directory():
    return pathlib.Path(os.environ.get("POSTERN_BUILD",
                                       TOP / "build")).resolve()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = "may not be skipped here: %s" % (report.longrepr,)
    made = item.config.stash.get(_RIG, None)
    if report.failed and made is not None:
        report.sections.append(
            ("logs of the rig", made.log_tails(item.stash.get(_MARKS, {}))))


def pytest_runtest_setup(item):
    made = item.config.stash.get(_RIG, None)
    if made is not None:
        item.stash[_MARKS] = made.log_marks()


_RIG = pytest.StashKey()
_MARKS = pytest.StashKey()  # how long each log was before the test


@pytest.fixture(scope="session")
def long(request):
    """True when the long tests run at their full size."""
    return request.config.getoption("--long")


@pytest.fixture(scope="session")
def rig(request):
    """The rig with its provider running; the rest starts when asked for."""
    with Rig(build=build_directory()) as made:
        request.config.stash[_RIG] = made
        made.start(made.provider)
        yield made
        del request.config.stash[_RIG]


@pytest.fixture(scope="session")
def redis(rig):
    rig.start(rig.redis)
    return rig.redis


@pytest.fixture(scope="session")
def postgresql(rig):
    rig.start(rig.postgresql)
    rig.postgresql.create_database()
    return rig.postgresql


@pytest.fixture(scope="session")
def direct(rig):
    """The provider, with nothing between."""
    return Host("direct", rig.dovecot.imap_port, rig.dovecot.imaps_port,
                rig.postfix.submission_port, rig.postfix.submissions_port,
                rig.certificates.ca, rig.provider.password)


def host_of(gateway):
    """A gateway as its clients see it."""
    return Host("gateway", gateway.imap_port, gateway.imaps_port,
                gateway.submission_port, gateway.submissions_port,
                gateway.rig.certificates.ca, gateway.rig.provider.password)


@pytest.fixture(scope="session")
def gateway(rig, redis):
    """The gateway most tests share, before the rig's provider."""
    made = rig.gateway()
    try:
        made.program("posternd")
    except RigError as missing:
        pytest.skip(str(missing))
    rig.start(made)
    return made


@pytest.fixture(scope="session")
def writer(rig, gateway, postgresql):
    """The writer behind that gateway, with its database as of today."""
    gateway.migrate()
    made = rig.writer(gateway)
    rig.start(made)
    return made


@pytest.fixture(scope="session")
def through(gateway):
    return host_of(gateway)


@pytest.fixture(params=["direct", "gateway"])
def host(request):
    """Each place a client may connect to, in turn."""
    return request.getfixturevalue(
        {"direct": "direct", "gateway": "through"}[request.param])


@pytest.fixture(scope="session")
def submission():
    """Tests that send need Postfix, which runs only as root."""
    if not Postfix.is_possible():
        pytest.skip("postfix starts only as root")


_numbers = itertools.count(1)


@pytest.fixture
def user(request):
    """The address of a mailbox that no other test uses."""
    return new_user(request.node.name)


@pytest.fixture
def make_user(request):
    """Makes more such addresses, in any domain."""
    return lambda domain="acme.com": new_user(request.node.name, domain)


def new_user(test, domain="acme.com"):
    word = re.sub(r"[^a-z0-9]+", "-", test.lower().replace("test_", ""))
    return "%s.%d@%s" % (word.strip("-")[:40], next(_numbers), domain)


@pytest.fixture(scope="session")
def node_modules():
    """The folder with the mail clients for Node, as npm ci leaves it."""
    if not (HERE / "node_modules" / "imapflow").is_dir():
        pytest.skip("npm ci has not run in tests/integration")
    return HERE
