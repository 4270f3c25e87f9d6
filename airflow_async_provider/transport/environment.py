# SPDX-License-Identifier: Apache-2.0
"""
What both HTTP clients take from the environment, decided once so that worker and triggerer agree.

The clients' own ``trust_env`` stays off: it would also read ``~/.netrc`` and put an Authorization header on
requests that must not have one.
"""

from __future__ import annotations

import os

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def proxy_for(url: str, configured: str | None = None) -> str | None:
    """
    The proxy for a URL: the connection's, else HTTP_PROXY/HTTPS_PROXY unless NO_PROXY names the host.

    :param configured: the connection's own proxy, which NO_PROXY does not overrule
    """
    if configured:
        return configured
    from requests.utils import get_environ_proxies, select_proxy

    proxy: str | None = select_proxy(url, get_environ_proxies(url))
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def ca_file(verify: bool | str) -> str | None:
    """
    The CA file for a verify setting, None when TLS is not verified.

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
