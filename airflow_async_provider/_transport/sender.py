# SPDX-License-Identifier: Apache-2.0
"""
Sends one prepared request from a worker: for answers of the API and for results alike.

Redirects, refused credentials and reading the body are the caller's affair.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from airflow_async_provider._transport.exact_url_adapter import exact_adapter, request_target
from airflow_async_provider._transport.reach import Reach
from airflow_async_provider._transport.time_limit import TimeLimit


class Sender:
    """
    Keeps connections and writes URLs exactly as they are spelled.

    One may be used by many threads at once.

    :param connections: connections that are kept to one host
    :param hosts: to how many hosts
    """

    def __init__(self, *, connections: int, hosts: int) -> None:
        self._connections = connections
        self._hosts = hosts
        self._lock = threading.Lock()
        self._adapters: dict[Any, Any] = {}
        self._local = threading.local()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Any = None,
        shown: str,
        limit: TimeLimit,
        timeout: tuple[float, float],
        verify: bool | str,
        proxy: str | None,
        cert: tuple[str, str] | None = None,
        reach: Reach | None = None,
    ) -> Any:
        """
        Send the request.

        :param url: absolute, sent byte for byte
        :param body: bytes, or anything with a length that can be gone through
        :param shown: what the clients' own messages and logs may show of the URL: never its query
        :param limit: learns of the connection, so that it can end the request
        :param timeout: seconds to connect, and seconds of silence
        :param verify: what :func:`~.._transport.environment.ca_for` gave
        :param proxy: proxy URL
        :param cert: files of the client's certificate and its key
        :param reach: where the URL may lead; the address that is really connected to is checked too
        :return: the answer of ``requests``, its body not read yet
        :raises OriginError: the URL leads where it may not
        """
        if reach is not None:
            reach.check(url)
        from requests import PreparedRequest
        from requests.structures import CaseInsensitiveDict

        request = PreparedRequest()
        request.method = method
        request.url = shown  # the adapter writes the true target, see exact_url_adapter
        request.headers = CaseInsensitiveDict(headers)
        request.body = body
        if body is not None:
            request.headers["Content-Length"] = str(len(body))
        self._local.target, self._local.limit = request_target(url), limit
        self._local.reach = (reach, url)
        return self._adapter(cert).send(
            request,
            stream=True,
            timeout=timeout,
            verify=verify,
            cert=cert,
            proxies={"http": proxy, "https": proxy} if proxy else None,
        )

    def close(self) -> None:
        """Drop kept connections."""
        with self._lock:
            adapters, self._adapters = self._adapters, {}
        for adapter in adapters.values():
            adapter.close()

    def _adapter(self, cert: tuple[str, str] | None) -> Any:
        # A connection that was made with a client certificate is not shared, whatever the pool goes by.
        with self._lock:
            if cert not in self._adapters:
                self._adapters[cert] = exact_adapter(
                    self._target, connections=self._connections, hosts=self._hosts, watch=self._watch
                )
            return self._adapters[cert]

    def _watch(self, address: str) -> None:
        reach, url = self._local.reach
        if reach is not None:
            reach.check_address(url, address)

    def _target(self, connection: Any) -> str:
        """Asked for when the request line is written, so from then on the request may have arrived."""
        self._local.limit.watch(connection)
        return str(self._local.target)
