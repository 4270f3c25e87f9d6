# SPDX-License-Identifier: Apache-2.0
"""
What both HTTP clients take from the environment, decided once so that worker and triggerer agree.

The clients' own ``trust_env`` stays off: it would also read ``~/.netrc`` and put an Authorization header on
requests that must not have one.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from airflow_async_provider._urls import origin
from airflow_async_provider.errors import ConfigurationError

PROXY_VARIABLES = tuple(
    name for word in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (word, word.upper())
)
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def proxy_for(url: str, configured: str | None = None) -> str | None:
    """
    The proxy for a URL: the connection's, else HTTP_PROXY/HTTPS_PROXY unless NO_PROXY names the host.

    :param configured: the connection's own proxy, which NO_PROXY does not overrule
    """
    if configured:
        return _with_scheme(configured)
    return _environment_proxy(origin(url), tuple(map(os.environ.get, PROXY_VARIABLES)))


@lru_cache(maxsize=1024)
def _environment_proxy(where: str, variables: tuple[str | None, ...]) -> str | None:
    # requests goes through the whole environment, which would cost more than the rest of a poll; what it
    # reads is part of the key, so that a change counts at once.
    from requests.utils import get_environ_proxies, select_proxy

    url = f"{where}/"
    proxy = select_proxy(url, get_environ_proxies(url))
    return _with_scheme(proxy) if proxy else None


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def ca_file(verify: bool | str) -> str | None:
    """
    The CA file (or folder) for a verify setting, None when TLS is not verified.

    :param verify: True takes the environment's bundle, else certifi's, as requests does
    """
    if isinstance(verify, str):
        return verify
    if not verify:
        return None
    for variable in CA_VARIABLES:
        if value := os.environ.get(variable):
            return value
    import certifi

    return certifi.where()


def check_ca_file(path: str) -> None:
    """
    Say clearly what both clients would only say in the middle of a connection, and each in its own way.

    :raises ConfigurationError: nothing is there
    """
    if not Path(path).exists():
        raise ConfigurationError(
            f"The CA file {path!r} does not exist. It comes from verify or result_verify in the connection's "
            f"extra, or from the environment ({', '.join(CA_VARIABLES)})."
        )


def checked_cert(cert: tuple[str, str] | None) -> tuple[str, str] | None:
    """
    The files of a client certificate, looked at before a connection is made.

    :param cert: files of the certificate and of its key
    :raises ConfigurationError: one of them is not there, or they cannot be used
    """
    if cert is not None:
        for name, path in zip(("cert", "cert_key"), cert, strict=True):
            if not Path(path).is_file():
                raise ConfigurationError(
                    f"The file {path!r} that {name} in the connection's extra names does not exist on this "
                    "machine."
                )
        _check_pair(*cert, *(Path(path).stat().st_mtime for path in cert))
    return cert


@lru_cache(maxsize=64)
def _check_pair(certificate: str, key: str, *changed: float) -> None:
    import ssl

    try:
        # A key with a passphrase would make OpenSSL ask for it on the machine's terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as e:
        raise ConfigurationError(
            f"The client certificate {certificate!r} and its key cannot be used ({type(e).__name__}). Both "
            "must be PEM, belong together, and the key must have no passphrase."
        ) from None


def ca_for(url: str, verify: bool | str) -> bool | str:
    """
    The same in the words of ``requests``: the CA file, or False when TLS is not verified.

    :raises ConfigurationError: the file is needed for this URL, and is not there
    """
    path = ca_file(verify)
    if path is None:
        return False
    if url.lower().startswith("https:"):
        check_ca_file(path)
    return path
