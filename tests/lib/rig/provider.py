"""provider: Dovecot and Postfix together, as one mail host."""

import pathlib

from .certificates import Certificates
from .dovecot import PASSWORD, Dovecot
from .postfix import Postfix


class Provider:
    """The mail host behind Postern. Any address is a mailbox of it."""

    def __init__(self, directory, certificates=None, certificate="provider"):
        directory = pathlib.Path(directory)
        self.certificates = certificates or Certificates(directory / "tls")
        self.dovecot = Dovecot(directory / "dovecot", self.certificates,
                               certificate)
        self.postfix = Postfix(directory / "postfix", self.certificates,
                               self.dovecot, certificate)
        self.password = PASSWORD

    def start(self):
        self.certificates.create()
        self.dovecot.start()
        if Postfix.is_possible():
            self.postfix.start()
        return self

    def stop(self):
        self.postfix.stop()
        self.dovecot.stop()

    def servers(self):
        return [self.dovecot, self.postfix]
