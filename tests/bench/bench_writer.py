#!/usr/bin/env python3
"""Sightings per second through postern-writer into PostgreSQL.

The streams are filled first; then one writer drains them. Printed are the
rate, and the CPU time of the writer and of its PostgreSQL backend per 1,000
sightings, the figure to compare between runs.
"""

import argparse
import os
import pathlib
import random
import resource
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(TOP / "tests" / "lib"))

from rig import records  # noqa: E402
from rig.writing import WritingRig  # noqa: E402

TITLES = ["Head of Sales", "Engineer", "CTO", "Einkaufsleiter", "Comptable"]


def person(number, role, seed):
    """Most mail shows a name and an address; one author in three signs."""
    email = "person.%d@company%d.example" % (number, number % 400)
    name = "Person Number %d" % number
    if role != "author" or seed.random() > 0.34:
        return records.contact(email, name, role=role)
    return records.contact(
        email, name, role=role, title=TITLES[number % len(TITLES)],
        company="Company %d GmbH" % (number % 400),
        phones=[{"e164": "+4989%07d" % number, "ext": None,
                 "raw": "089/%07d" % number, "kind": "work"}],
        urls=["https://company%d.example" % (number % 400)],
        source=["header", "signature"], name_source="signature")


def messages(options):
    """An organization's mail: few write much, many write once."""
    seed = random.Random(options.seed)
    for number in range(options.messages):
        people = {min(int(seed.paretovariate(0.5)), options.people)
                  for _ in range(seed.choice([1, 1, 2, 2, 3, 5]))}
        roles = ["author"] + ["recipient"] * (len(people) - 1)
        contacts = [person(one, role, seed)
                    for one, role in zip(sorted(people), roles)]
        yield records.record(
            "<%d@bench.example>" % number, contacts,
            mailbox="user%d@acme.com" % seed.randrange(200),
            seen=1600000000 + number * 60)


def backend_seconds(pids):
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        try:
            fields = open("/proc/%d/stat" % pid).read().rpartition(")")[2]
        except OSError:
            continue
        total += sum(map(int, fields.split()[11:13])) / ticks
    return total


def drain(rig, sightings):
    """Run one writer until all is filed; seconds of wall, writer, backend."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    known = set(rig.postgresql.processes("postgres"))
    writer = subprocess.Popen(rig.writer_command("--once"),
                              stderr=subprocess.PIPE)
    backend = 0
    while writer.poll() is None:
        fresh = set(rig.postgresql.processes("postgres")) - known
        backend = max(backend, backend_seconds(fresh))
        time.sleep(0.02)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    log = writer.stderr.read().decode()
    if writer.returncode != 0 or "sightings=%d " % sightings not in log:
        sys.exit("bench_writer: %s" % log)
    used = (after.ru_utime + after.ru_stime
            - before.ru_utime - before.ru_stime)
    return wall, used, backend


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=30000)
    parser.add_argument("--people", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", default=os.environ.get("POSTERN_BUILD",
                                                          TOP / "build"))
    options = parser.parse_args()
    with WritingRig(options.build) as rig:
        made = list(messages(options))
        stream = records.Stream(rig.redis.socket)
        stream.add((records.stream("acme"), fields) for fields in made)
        stream.close()
        sightings = sum(fields["payload"].count('"email"') for fields in made)
        wall, writer, backend = drain(rig, sightings)
        rows = rig.postgresql.query(
            "SELECT (SELECT count(*) FROM postern.sighting),"
            " (SELECT count(*) FROM postern.contact),"
            " (SELECT count(*) FROM postern.contact_field)")[0]
    if int(rows[0]) != sightings:
        sys.exit("bench_writer: %s sightings filed of %d" % (rows[0],
                                                             sightings))
    print("%d messages, %d sightings of %s contacts with %s values"
          % (options.messages, sightings, rows[1], rows[2]))
    print("%-28s %10.0f" % ("sightings/s", sightings / wall))
    print("%-28s %10.0f" % ("per CPU s of both", sightings
                            / (writer + backend)))
    print("%-28s %10.1f" % ("writer, CPU ms per 1000", writer / sightings
                            * 1e6))
    print("%-28s %10.1f" % ("backend, CPU ms per 1000", backend / sightings
                            * 1e6))


if __name__ == "__main__":
    main()
