"""The TLS settings of a client, and the contexts made from them.

The trusted authorities are those of the ``certifi`` package, which come with httpcore, so that a program trusts
the same ones on every machine. To trust those of the operating system instead, hand in a context::

    verify = ssl.create_default_context()  # what OpenSSL finds
    verify = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # what the system itself uses
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from threading import Lock
from typing import Any, TypeAlias

from trivet.core.errors import ConfigError

Path: TypeAlias = "str | os.PathLike[str]"
ClientCertificate: TypeAlias = "Path | tuple[Path, Path] | tuple[Path, Path, str]"


class LazyContext(ssl.SSLContext):
    """A client's context that loads its certificates when the first connection needs them.

    Loading them takes twenty milliseconds, which a client that only talks to ``http://`` never spends.
    """

    # ssl.SSLContext is filled in by __new__, which takes the protocol only.
    _authorities: Path | None
    _certificate: ClientCertificate | None
    _loaded: bool
    _lock: Lock

    @classmethod
    def make(cls, *, authorities: Path | None, certificate: ClientCertificate | None, verify: bool) -> LazyContext:
        """A context that trusts the authorities in a file or a directory; None: those of certifi."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._authorities = authorities
        context._certificate = certificate
        context._loaded = False
        context._lock = Lock()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Load what is to be loaded, then do as the base class does."""
        self.load()
        return super().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Load what is to be loaded, then do as the base class does."""
        self.load()
        return super().wrap_bio(*args, **kwargs)

    def load(self) -> None:
        """Load the certificates, once. Raises `ConfigError` that names the file that cannot be loaded."""
        with self._lock:
            if self._loaded:
                return
            if self.verify_mode != ssl.CERT_NONE:
                self._load_authorities()
            if self._certificate is not None:
                self._load_certificate(self._certificate)
            self._loaded = True

    def _load_authorities(self) -> None:
        path = self._authorities
        if path is None:
            import certifi

            path = certifi.where()
        try:
            if os.path.isdir(path):
                self.load_verify_locations(capath=path)
            else:
                self.load_verify_locations(cafile=path)
        except OSError as error:
            raise ConfigError(f"verify: no certificates can be loaded from {os.fspath(path)!r}: {error}") from error

    def _load_certificate(self, certificate: ClientCertificate) -> None:
        key: Path | None = None
        password: str | None = None
        if not isinstance(certificate, tuple):
            chain = certificate
        elif len(certificate) == 2:
            chain, key = certificate
        else:
            chain, key, password = certificate
        try:
            self.load_cert_chain(chain, key, password)
        except OSError as error:
            paths = " and ".join(repr(os.fspath(path)) for path in (chain, key) if path is not None)
            raise ConfigError(f"cert: the client certificate cannot be loaded from {paths}: {error}") from error


def make_context(
    verify: bool | Path | ssl.SSLContext,
    certificate: ClientCertificate | None = None,
    environment: Mapping[str, str] | None = None,
) -> ssl.SSLContext:
    """The context for ``verify``: True, False (no verification), a file or directory of authorities, or a context
    that is used as it is.

    With an ``environment``, SSL_CERT_FILE or SSL_CERT_DIR in it names the authorities for ``verify=True``.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    authorities: Path | None = None
    if not isinstance(verify, bool):
        authorities = verify
    elif verify and environment is not None:
        authorities = environment.get("SSL_CERT_FILE") or environment.get("SSL_CERT_DIR")
    return LazyContext.make(authorities=authorities, certificate=certificate, verify=verify is not False)
