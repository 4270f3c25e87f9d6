# SPDX-License-Identifier: Apache-2.0
"""The further arguments of an upload to S3 (encryption, ACL, tags), checked without importing boto3."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlencode

from airflow_async_provider.errors import ConfigurationError

#: Of ``S3Transfer.ALLOWED_UPLOAD_ARGS`` those that fit every object. A checksum's value or the size of the
#: object belongs to one body, which is not known when a DAG is written.
#: https://docs.aws.amazon.com/boto3/latest/reference/customizations/s3.html
S3_ARGUMENTS: Final = frozenset(
    {
        "ACL",
        "BucketKeyEnabled",
        "CacheControl",
        "ChecksumAlgorithm",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "ExpectedBucketOwner",
        "Expires",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWriteACP",
        "Metadata",
        "ObjectLockLegalHoldStatus",
        "ObjectLockMode",
        "ObjectLockRetainUntilDate",
        "RequestPayer",
        "SSECustomerAlgorithm",
        "SSECustomerKey",
        "SSECustomerKeyMD5",
        "SSEKMSEncryptionContext",
        "SSEKMSKeyId",
        "ServerSideEncryption",
        "StorageClass",
        "Tagging",
        "WebsiteRedirectLocation",
    }
)

#: Those whose value is not plain text.
_OTHER_TYPES: Final = frozenset({"BucketKeyEnabled", "Expires", "Metadata", "ObjectLockRetainUntilDate"})


def check_s3_arguments(given: Mapping[str, Any] | None, *, where: str = "s3_extra_args") -> dict[str, Any]:
    """
    Arguments of an upload as boto3 takes them.

    ``Tagging`` may be a mapping of tags. The values may still hold templates.

    :param given: as boto3's ``ExtraArgs``: ``{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": …}``
    :param where: what an error calls it
    :raises ConfigurationError: no mapping, an unknown name, a value of the wrong kind
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where} must be a dictionary, not {type(given).__name__}.")
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in S3_ARGUMENTS:
            known = {right.lower(): right for right in S3_ARGUMENTS}
            near = get_close_matches(str(name).lower(), known, n=1, cutoff=0.6)
            hint = f" Did you mean {known[near[0]]!r}?" if near else ""
            raise ConfigurationError(
                f"{where} has the unknown entry {name!r}.{hint} Known are {', '.join(sorted(S3_ARGUMENTS))}."
            )
        if name in ("Tagging", "Metadata") and isinstance(value, Mapping):
            if not all(isinstance(text, str) for pair in value.items() for text in pair):
                raise ConfigurationError(f"{where}: the names and values of {name} must be text.")
            found[name] = urlencode(value) if name == "Tagging" else dict(value)
        elif name == "Metadata" or (name not in _OTHER_TYPES and not isinstance(value, str)):
            kind = "a dictionary" if name == "Metadata" else "text"
            raise ConfigurationError(f"{where}: {name} must be {kind}, not {type(value).__name__}.")
        else:
            found[name] = value
    return found
