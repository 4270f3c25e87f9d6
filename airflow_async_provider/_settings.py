# SPDX-License-Identifier: Apache-2.0
"""The provider's options in Airflow's configuration, section ``[async_provider]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.configuration import AirflowConfigParser

SECTION = "async_provider"

#: Seconds between a deferral and the first moment at which its task may be resumed.
DEFAULT_SETTLE_SECONDS = 10.0

#: Seconds between two reports of a triggerer to the page "Remote jobs".
DEFAULT_PAGE_REPORT_SECONDS = 120.0
MIN_PAGE_REPORT_SECONDS = 2.0

#: How many results a triggerer stores at once, and how short a result URL lives that it stores (seconds).
DEFAULT_STORE_THREADS = 4
DEFAULT_STORE_BELOW = 900.0

#: Bytes.
DEFAULT_CALLBACK_MAX_BYTES = 16 * 1024 * 1024


def _conf() -> AirflowConfigParser:
    """Airflow's configuration, imported when it is first asked: this package must be cheap to import."""
    from airflow.configuration import conf

    return conf


def settle_seconds() -> float:
    """``settle_seconds``: how long after its deferral a task is left alone, default 10."""
    return max(0.0, _conf().getfloat(SECTION, "settle_seconds", fallback=DEFAULT_SETTLE_SECONDS))


def retry_policy() -> bool:
    """``retry_policy``: whether tasks of this package have its retry policy, where they name none."""
    return _conf().getboolean(SECTION, "retry_policy", fallback=False)


def page_report_seconds() -> float:
    """``page_report_seconds``: between two reports of a triggerer to the page, default 120; 0: none."""
    found = _conf().getfloat(SECTION, "page_report_seconds", fallback=DEFAULT_PAGE_REPORT_SECONDS)
    return max(MIN_PAGE_REPORT_SECONDS, found) if found > 0 else 0.0


def triggerer_store_threads() -> int:
    """``triggerer_store_threads``: how many results a triggerer stores at once; 0: none."""
    return max(0, _conf().getint(SECTION, "triggerer_store_threads", fallback=DEFAULT_STORE_THREADS))


def triggerer_store_below() -> float:
    """``triggerer_store_below``: a result URL that lives for fewer seconds is stored by the triggerer."""
    return max(0.0, _conf().getfloat(SECTION, "triggerer_store_below", fallback=DEFAULT_STORE_BELOW))


def triggerer_paths() -> list[str]:
    """``triggerer_paths``: directories that triggerers share with workers."""
    found = _conf().get(SECTION, "triggerer_paths", fallback="")
    return [path.strip() for path in found.split(",") if path.strip()]


def api_ssl_cert() -> str | None:
    """Airflow's own ``[api] ssl_cert``: whom the API server's clients trust besides; None when not set."""
    return _conf().get("api", "ssl_cert", fallback="") or None


def callback_max_bytes() -> int:
    """``callback_max_bytes``: largest callback body, whatever an operator allows, default 16 MiB."""
    return max(1, _conf().getint(SECTION, "callback_max_bytes", fallback=DEFAULT_CALLBACK_MAX_BYTES))


def callback_key() -> str:
    """``callback_key``, else ``[core] fernet_key``; several, separated by commas, while one is replaced."""
    own = _conf().get(SECTION, "callback_key", fallback="")
    return own or _conf().get("core", "fernet_key", fallback="") or ""


def fernet_key() -> str:
    """Airflow's own ``[core] fernet_key``; empty where connections are stored unencrypted."""
    return _conf().get("core", "fernet_key", fallback="") or ""


def callback_keys() -> list[str]:
    """The keys in :func:`callback_key`; none where there is nothing."""
    return [key.strip() for key in callback_key().split(",") if key.strip()]


def callback_base_url() -> str | None:
    """``callback_base_url``: where remotes reach Airflow's API server; None when not set."""
    return _conf().get(SECTION, "callback_base_url", fallback="") or None


def api_base_url() -> str | None:
    """Airflow's own ``[api] base_url``; None when not set."""
    return _conf().get("api", "base_url", fallback="") or None


def execution_api_server_url() -> str | None:
    """``[core] execution_api_server_url``: where workers reach the API server; None when not set."""
    return _conf().get("core", "execution_api_server_url", fallback="") or None


def callback_protocols() -> frozenset[str]:
    """``callback_protocols``: dotted paths of users' own protocols that may run in the API server."""
    text = _conf().get(SECTION, "callback_protocols", fallback="")
    return frozenset(path.strip() for path in text.split(",") if path.strip())
