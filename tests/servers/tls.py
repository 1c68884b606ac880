"""A certificate authority of the test run's own."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1")


class Authority:
    """Issues certificates, by default for `localhost` and `127.0.0.1`, that only those who know it trust."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_pem = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_pem)

    def issue(self, *names: str) -> Path:
        """A file with a new certificate for the names (or the usual ones), its chain and its key."""
        certificate = self._ca.issue_cert(*(names or NAMES))
        path = self._folder / f"{'-'.join(names) or 'server'}.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def server_context(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.issue(*names))
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.ca_pem)
