"""samples: messages made for tests, repeatable from a seed."""

import base64
import random

_NAMES = ("Anna Weber", "Jo\u00e3o Pereira", "Zofia Zieli\u0144ska",
          "Pierre Lef\u00e8vre", "Marta Rossi", "Ingrid Olsen")


def message(number=1, sender="Anna Weber <anna.weber@partner.example>",
            recipient="sales1@acme.com", size=0, subject=None, body=None,
            headers=()):
    """A plain message as bytes with CRLF, padded to about size bytes."""
    subject = subject or "Order %d" % number
    lines = [
        "Date: Tue, 4 Mar 2025 %02d:%02d:%02d +0100" % (
            number // 3600 % 24, number // 60 % 60, number % 60),
        "From: " + sender, "To: " + recipient, "Subject: " + subject,
        "Message-ID: <%d.rig@partner.example>" % number,
        "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit", *headers, "",
        body or "Hello,\n\nplease send %d pieces.\n\n-- \nAnna Weber\n"
                "Head of Purchasing\nPartner GmbH\n+49 89 32168 123\n"
                % number]
    text = "\r\n".join(lines).replace("\r\n", "\n").replace("\n", "\r\n")
    content = text.encode("utf-8")
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    if len(content) < size:
        content += padding(size - len(content), number)
    return content


def padding(size, seed=0):
    """About size bytes of base64 lines that do not compress or repeat."""
    noise = random.Random(seed).randbytes(size * 3 // 4)
    whole = base64.b64encode(noise)
    return b"".join(whole[start:start + 76] + b"\r\n"
                    for start in range(0, len(whole), 76))


def varied(count, seed=1, largest=40000):
    """count different messages: sizes, 8-bit text, dots, long lines,
    attachments; the same ones for the same seed."""
    dice = random.Random(seed)
    found = []
    for number in range(count):
        kind = number % 5
        if kind == 0:
            found.append(message(number, size=dice.randrange(500, largest)))
        elif kind == 1:
            name = dice.choice(_NAMES)
            found.append(message(
                number, subject="Gr\u00fc\u00dfe %d" % number,
                body=".\n..\n.leading dot\n%s\n" % name))
        elif kind == 2:
            found.append(message(number, body="x" * 900 + "\n"
                                 + "\u00e4" * 400 + "\n"))
        elif kind == 3:
            found.append(multipart(number, dice.randrange(100, largest)))
        else:
            found.append(message(number, body="{5}\n* 1 EXISTS\nt1 OK\n)\n"))
    return found


def multipart(number, attachment_size):
    """Text with an attachment."""
    boundary = "=_rig_%d" % number
    head = message(number, body="see attachment\n").replace(
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Content-Type: multipart/mixed; boundary=\"%s\"\r\n"
        % boundary.encode())
    headers = head.partition(b"\r\n\r\n")[0]
    mark = b"--" + boundary.encode()
    return b"\r\n".join([
        headers, b"", mark, b"Content-Type: text/plain", b"",
        b"see attachment", mark,
        b"Content-Type: application/octet-stream; name=\"data.bin\"",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: attachment; filename=\"data.bin\"", b"",
        padding(attachment_size, number) + mark + b"--", b""])
