"""records: what posternd would have put in Redis, made here.

For tests and benchmarks of the writer, which need no mail for it.
"""

import hashlib
import json
import socket
import uuid

# gateway/lib/uuid.c: organization ids are made of their names.
NAME_SPACE = uuid.UUID("b6a80250-4c5f-4b81-9e7d-51c1da0a2907")


def organization_id(name):
    return str(uuid.uuid5(NAME_SPACE, name))


def partition(organization, partitions=4):
    """As record_partition in gateway/queue/record.c."""
    digest = hashlib.sha256(organization.encode()).digest()
    return int.from_bytes(digest[:4], "big") % partitions


def stream(organization_name, partitions=4):
    number = partition(organization_id(organization_name), partitions)
    return "postern:{%d}:contacts" % number


def dead_letters(organization_name, partitions=4):
    return stream(organization_name, partitions).replace("contacts", "dead")


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def contact(email, name=None, **more):
    """One contact as contact_to_json writes it."""
    made = {"email": email, "name": name, "title": None, "company": None,
            "phones": [], "urls": [], "postal_address": None,
            "kind": "person", "role": "author", "source": ["header"],
            "confidence": 0.9}
    made.update(more)
    return made


def record(message_id, contacts, organization="acme", mailbox="a@acme.com",
           evidence="body", seen=1700000000, **more):
    """The fields of a stream entry."""
    payload = {"org": organization, "mailbox": mailbox,
               "message": digest(mailbox, message_id), "evidence": evidence,
               "direction": "in", "folder": "inbox", "seen": seen,
               "contacts": contacts}
    payload.update(more)
    return {"v": "1", "org": organization_id(organization),
            "event": digest(mailbox, message_id, evidence), "key": "",
            "payload": json.dumps(payload)}


class Stream:
    """A raw connection to Redis that only adds entries, pipelined."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.answers = self.socket.makefile("rb")

    def add(self, entries):
        """entries: pairs of a stream's key and the fields."""
        entries = list(entries)
        for start in range(0, len(entries), 500):
            block = entries[start:start + 500]
            self.socket.sendall(b"".join(
                command("XADD", key, "*", *sum(fields.items(), ()))
                for key, fields in block))
            for _ in block:
                kind = self.answers.readline()
                if not kind.startswith(b"$"):
                    raise RuntimeError(kind.decode())
                self.answers.readline()

    def close(self):
        self.answers.close()
        self.socket.close()


def command(*words):
    encoded = [word if isinstance(word, bytes) else str(word).encode()
               for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
