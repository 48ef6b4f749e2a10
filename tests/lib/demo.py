"""The demo: real mail read and sent through Postern, and what it learned.

Starts a provider, Redis, PostgreSQL and Postern in one scratch directory,
lays the sample mail into the provider's mailboxes, reads all of it through
the gateway with mbsync, sends with swaks, and prints the contacts as they
stand in PostgreSQL. Leaves nothing behind unless told to --stay.
"""

import argparse
import hashlib
import json
import pathlib
import re
import signal
import sys
import time
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from rig import Rig, RigError, clients, wait_until  # noqa: E402
from rig.clients import Host  # noqa: E402

SAMPLES = HERE.parent / "data" / "mail"
MAILBOX = "sales1@acme.com"
FOLDERS = {"inbox": "INBOX", "sent": "Sent", "drafts": "Drafts",
           "junk": "Junk", "trash": "Trash", "archive": "Archive",
           "other": "Projects"}
MAILDIR_FLAGS = {"\\Seen": "S", "\\Draft": "D", "\\Flagged": "F",
                 "\\Answered": "R"}
RECIPIENTS = ("Petra Lang <petra.lang@kunde.example>",
              "j.moreau@atelier.example")
SECONDS_TO_LEARN = 30

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32",
           "yellow": "33", "cyan": "36"}


def paint(name, text):
    """Colours on a terminal, plain text elsewhere."""
    if not sys.stdout.isatty():
        return text
    return "\033[%sm%s\033[0m" % (COLOURS[name], text)


class Step:
    """Prints what is being done, and how long it took."""

    def __init__(self, label):
        self.label = label

    def __enter__(self):
        print("%-44s" % self.label, end="", flush=True)
        self.began = time.monotonic()

    def __exit__(self, kind, *_):
        word = paint("green", "ok") if kind is None else paint("red",
                                                               "failed")
        print("%s %8.1f s" % (word, time.monotonic() - self.began))


def title(text):
    print("\n" + paint("bold", text))


def samples():
    """Folder name -> messages with their flags, for the demo's mailbox."""
    found = {}
    for path in sorted(SAMPLES.rglob("*.json")):
        context = json.loads(path.read_text())["context"]
        message = path.with_suffix(".eml")
        if context["mailbox"] != MAILBOX or not message.is_file():
            continue
        flags = "".join(sorted(MAILDIR_FLAGS.get(flag, "")
                               for flag in context["flags"]))
        found.setdefault(FOLDERS[context["folder"]], []).append(
            (message.read_bytes(), flags))
    return found


def digest(message):
    """Of a message as it travels; mbsync keeps lines as Unix does."""
    message = re.sub(rb"\r?\n", b"\n", clients.without_tuid(message))
    return hashlib.sha256(message).hexdigest()


def read_everything(host, directory):
    """Read all mail of the mailbox; folder -> sorted digests."""
    store = clients.mbsync(host, MAILBOX, directory)
    return {folder.name: sorted(
        digest(path.read_bytes()) for name in ("cur", "new")
        for path in (folder / name).iterdir())
        for folder in store.iterdir() if (folder / "cur").is_dir()}


def compare(one, other):
    """How many messages of two readings there are, and how many of them are
    the same in both."""
    read = max(sum(map(len, one.values())), sum(map(len, other.values())))
    same = sum(sum(1 for mine, yours in zip(one[folder],
                                            other.get(folder, []))
                   if mine == yours) for folder in one)
    return read, same


def send_something(host, rig):
    """Send through the gateway, and see it arrive."""
    addresses = [re.sub(r".*<(.*)>", r"\1", one) for one in RECIPIENTS]
    clients.swaks(host, MAILBOX, addresses,
                  "--header", "To: " + ", ".join(RECIPIENTS),
                  "--header", "Subject: Our offer",
                  "--body", "Please find our offer attached to no mail.")
    for address in addresses:
        wait_until(lambda: rig.dovecot.messages(address), "mail for "
                   + address, 20)


def metrics(gateway):
    return json.loads(gateway.cli("status", "--json").stdout)["metrics"]


def wait_until_learned(rig, gateway):
    """Return once nothing is on its way to PostgreSQL any more."""
    state = {"last": None, "since": time.monotonic()}

    def is_quiet():
        queued = sum(int(rig.redis.query("XLEN", "postern:{%d}:contacts"
                                         % number) or 0)
                     for number in range(4))
        now = (queued, metrics(gateway))
        if now != state["last"]:
            state.update(last=now, since=time.monotonic())
        return queued == 0 and time.monotonic() - state["since"] > 1.0

    wait_until(is_quiet, "the last contact to be written", SECONDS_TO_LEARN,
               pause=0.2)


def contacts(gateway):
    text = gateway.cli("contacts", "export", "--format", "json").stdout
    return [json.loads(line) for line in text.decode().splitlines()]


def fit(value, width):
    """Text in exactly width columns of a terminal."""
    text = re.sub(r"\s+", " ", str(value or ""))
    columns, kept = 0, ""
    for letter in text:
        wide = 0 if unicodedata.combining(letter) else (
            2 if unicodedata.east_asian_width(letter) in "WF" else 1)
        if columns + wide > width - 1 and kept + letter != text:
            kept, columns = kept + "\u2026", columns + 1
            break
        kept, columns = kept + letter, columns + wide
    return kept + " " * (width - columns)


def fullness(one):
    """How much a contact tells, for what is shown first."""
    return (bool(one["phones"]) + bool(one["title"]) + bool(one["company"])
            + bool(one["name"]), one["messages"])


COLUMNS = (("name", 22), ("email", 32), ("title", 22), ("company", 24),
           ("phones", 28), ("first seen", 10), ("last seen", 10),
           ("messages", 8))
SHOWN = 40


def print_contacts(found, everything):
    title("Contacts in PostgreSQL (%d)" % len(found))
    print(paint("dim", "  ".join(fit(name, width)
                                 for name, width in COLUMNS)))
    shown = sorted(found, key=lambda one: one["email"])
    if not everything:
        fullest = sorted(shown, key=fullness, reverse=True)[:SHOWN]
        shown = [one for one in shown if one in fullest]
    for one in shown:
        phones = ", ".join(phone["e164"] for phone in one["phones"])
        row = (one["name"], one["email"], one["title"], one["company"],
               phones, one["first_seen"][:10], one["last_seen"][:10],
               one["messages"])
        print("  ".join(fit(value, width) for value, (_, width)
                        in zip(row, COLUMNS)).rstrip())
    if len(shown) < len(found):
        print(paint("dim", "and %d more; all of them with --all"
                    % (len(found) - len(shown))))


def print_skipped(counters):
    title("Taught nothing, by reason")
    reasons = {name: value for name, value in counters.items()
               if "skip" in name and value}
    for name, value in sorted(reasons.items(), key=lambda item: -item[1]):
        reason = re.search(r'reason="([^"]*)"', name)
        print("  %6d  %s" % (value, reason.group(1) if reason else name))
    if not reasons:
        print("  nothing was skipped")


def print_how_to_connect(host):
    title("Point a mail program at it")
    print("  IMAP        localhost, port %d, TLS" % host.imaps_port)
    print("  submission  localhost, port %d, TLS" % host.submissions_port)
    print("  account     %s, password %s, authority %s"
          % (MAILBOX, host.password, host.ca))


def show(options):
    with Rig(options.dir, options.build) as rig:
        folders = samples()
        with Step("provider: Dovecot and Postfix"):
            rig.start(rig.provider)
        with Step("Redis and PostgreSQL"):
            rig.start(rig.redis, rig.postgresql)
            rig.postgresql.create_database()
        gateway = rig.gateway()
        with Step("posternd, its inspectors and the writer"):
            gateway.configure()
            gateway.migrate()
            writer = rig.writer(gateway)
            rig.start(gateway, writer)
        direct = Host("provider", rig.dovecot.imap_port,
                      rig.dovecot.imaps_port, rig.postfix.submission_port,
                      rig.postfix.submissions_port, rig.certificates.ca,
                      rig.provider.password)
        host = Host("gateway", gateway.imap_port, gateway.imaps_port,
                    gateway.submission_port, gateway.submissions_port,
                    rig.certificates.ca, rig.provider.password)
        total = sum(len(messages) for messages in folders.values())
        with Step("%d sample messages into %s" % (total, MAILBOX)):
            for folder, messages in folders.items():
                rig.dovecot.seed(MAILBOX, messages, folder)
        with Step("read through the gateway (mbsync)"):
            read = read_everything(host, rig.directory / "reader")
        with Step("send through the gateway (swaks)"):
            send_something(host, rig)
        with Step("the last contact written"):
            wait_until_learned(rig, gateway)
        with Step("read without the gateway, to compare"):
            read, same = compare(read, read_everything(
                direct, rig.directory / "direct"))
        print_contacts(contacts(gateway), options.all)
        print_skipped(metrics(gateway))
        title("Byte identity")
        identical = same == read == total
        print("  %s: %d of %d messages read are equal to what the provider "
              "sends itself (SHA-256)" % (
                  paint("green", "identical") if identical
                  else paint("red", "DIFFERENT"), same, total))
        print_how_to_connect(host)
        if options.stay:
            print("\nRunning until Ctrl-C; everything is in %s"
                  % rig.directory)
            signal.pause()
        return 0 if identical else 1


def main():
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--build", required=True,
                        help="build directory with Postern's programs")
    parser.add_argument("--dir", help="scratch directory; kept afterwards")
    parser.add_argument("--stay", action="store_true",
                        help="keep everything running until Ctrl-C")
    parser.add_argument("--all", action="store_true",
                        help="print every contact, not only the fullest")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return show(options)
    except KeyboardInterrupt:
        print()
        return 0
    except RigError as error:
        print("demo: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
