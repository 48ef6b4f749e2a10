"""The rig as a program: python3 tests/lib/rig up --dir D [--build B].

Starts the provider, Redis and PostgreSQL (and Postern where it is built),
prints one JSON object that says where everything is, and keeps it all running
until its standard input ends or it is interrupted.
"""

import argparse
import json
import pathlib
import signal
import sys

if __package__ in (None, ""):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from rig import Rig, RigError  # noqa: E402


def describe(rig, gateway=None):
    """Where everything is, as plain data."""
    found = {
        "directory": rig.directory,
        "password": rig.provider.password,
        "ca": rig.certificates.ca,
        "provider": {
            "imap": rig.dovecot.imap_port, "imaps": rig.dovecot.imaps_port,
            "submission": rig.postfix.submission_port,
            "submissions": rig.postfix.submissions_port,
        },
        "redis": rig.redis.socket,
        "postgresql": rig.postgresql.socket_directory,
    }
    if gateway is not None:
        found["gateway"] = {
            "imap": gateway.imap_port, "imaps": gateway.imaps_port,
            "submission": gateway.submission_port,
            "submissions": gateway.submissions_port,
            "configuration": gateway.configuration,
        }
    return found


def up(options):
    with Rig(options.dir, options.build) as rig:
        rig.start(rig.provider, rig.redis, rig.postgresql)
        rig.postgresql.create_database()
        gateway = None
        if options.build:
            gateway = rig.gateway()
            rig.start(gateway)
        print(json.dumps(describe(rig, gateway), default=str), flush=True)
        sys.stdin.read()


def main():
    parser = argparse.ArgumentParser(prog="rig", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starter = commands.add_parser("up", help="start and keep running")
    starter.add_argument("--dir", help="scratch directory; kept afterwards")
    starter.add_argument("--build", help="build directory with posternd")
    options = parser.parse_args()
    # Both end the with block above, which stops every server in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        up(options)
    except KeyboardInterrupt:
        return 0
    except RigError as error:
        print("rig: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
