# SPDX-License-Identifier: Apache-2.0
"""
What requests, urllib3, aiohttp or a socket raised, in words that hold no part of a URL.

Their own texts do hold it, and with it signatures and opaque addresses; so only kinds and the system's own
texts are told.
"""

from __future__ import annotations

import errno
import os
import ssl

#: Errors are nested so deep at most.
MAX_CHAIN = 10


def chain_of(error: BaseException) -> list[BaseException]:
    """An error and those inside of it, as requests, urllib3 and aiohttp nest them, the outermost first."""
    chain = [error]
    while len(chain) < MAX_CHAIN and (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    return chain


def _inner(error: BaseException) -> BaseException | None:
    for found in (
        getattr(error, "reason", None),
        getattr(error, "certificate_error", None),
        *error.args,
        error.__cause__,
        error.__context__,
    ):
        if isinstance(found, BaseException):
            return found
    return None


def reason_of(error: BaseException) -> str:
    """What went wrong: the kind of the error, and what the system says about it where it says something."""
    name = type(error).__name__
    words = next(filter(None, map(_words, chain_of(error))), None)
    return f"{name} ({words})" if words else name


def _words(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        # aiohttp has an error of this kind without these.
        return getattr(error, "verify_message", None) or getattr(error, "reason", None)
    if not isinstance(error, OSError):
        return None
    # aiohttp says "Connect call failed" where the system says why; gaierror's numbers are negative.
    if (
        isinstance(error.errno, int)
        and error.errno in errno.errorcode
        and not isinstance(error, ssl.SSLError)
    ):
        return os.strerror(error.errno)
    return error.strerror if isinstance(error.strerror, str) else None


def is_untrusted(error: BaseException) -> bool:
    """Whether the other side's certificate is not trusted: trying again does not help."""
    return any(isinstance(e, ssl.SSLCertVerificationError) for e in chain_of(error))
