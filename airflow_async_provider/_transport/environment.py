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
from urllib.parse import urlsplit

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
    parts = urlsplit(url)
    return _environment_proxy(parts.scheme, parts.netloc, tuple(map(os.environ.get, PROXY_VARIABLES)))


@lru_cache(maxsize=1024)
def _environment_proxy(scheme: str, netloc: str, variables: tuple[str | None, ...]) -> str | None:
    # requests goes through the whole environment, which would cost more than the rest of a poll; what it
    # reads is part of the key, so that a change counts at once.
    from requests.utils import get_environ_proxies, select_proxy

    url = f"{scheme}://{netloc}/"
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
