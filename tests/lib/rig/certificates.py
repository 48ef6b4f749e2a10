"""certificates: a private authority and what it signed, made with openssl.

All keys are P-256. Besides the good ones there are the bad ones a test needs:
for another name, out of date, and signed by nobody known.
"""

import pathlib

from .process import run

NAMES = "DNS:localhost,DNS:*.postern.example,IP:127.0.0.1,IP:::1"


class Certificates:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.ca = self.directory / "ca.pem"

    def create(self):
        """Make the authority, and a certificate each for the provider and
        the gateway. Does nothing when they are there."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.ca.exists():
            return self
        self._authority("ca", "Postern rig authority")
        self.issue("provider", NAMES)
        self.issue("gateway", NAMES)
        return self

    def certificate(self, name):
        return self.directory / (name + ".pem")

    def key(self, name):
        return self.directory / (name + ".key")

    def issue(self, name, alternative_names, days=30, authority="ca",
              readable_by_all=True):
        """Make and sign name.pem with name.key; returns both paths."""
        request = self.directory / (name + ".csr")
        extensions = self.directory / (name + ".ext")
        extensions.write_text("subjectAltName=%s\n" % alternative_names)
        self._key(name)
        run(["openssl", "req", "-new", "-key", self.key(name), "-subj",
             "/CN=" + name, "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA",
             self.certificate(authority), "-CAkey", self.key(authority),
             "-CAcreateserial", "-days", days, "-extfile", extensions,
             "-out", self.certificate(name)])
        if readable_by_all:
            # Throwaway keys: every server of the rig runs as its own user.
            self.key(name).chmod(0o644)
        return self.certificate(name), self.key(name)

    def issue_wrong_name(self):
        return self.issue("wrong-name", "DNS:other.example")

    def issue_expired(self):
        return self.issue("expired", NAMES, days=-1)

    def issue_unknown(self):
        """Signed by an authority that no one was told of."""
        self._authority("unknown-ca", "Nobody")
        return self.issue("unknown", NAMES, authority="unknown-ca")

    def _authority(self, name, common_name):
        self._key(name)
        run(["openssl", "req", "-x509", "-new", "-key", self.key(name),
             "-subj", "/CN=" + common_name, "-days", 30, "-addext",
             "keyUsage=critical,keyCertSign,cRLSign", "-out",
             self.certificate(name)])

    def _key(self, name):
        run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-out", self.key(name)])
