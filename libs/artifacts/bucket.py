"""Makes the bucket ready: there, open to the browsers it should serve, and tidied by the store where it can.

Rules that an operator has set are left alone; a store without such rules (rclone) works as well.
"""

from __future__ import annotations

import hashlib
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from libs.artifacts.requests import Requests

__all__ = ["make_ready"]

_log = logging.getLogger(__name__)

#: Another process made the bucket while we were about to.
_MADE_BY_ANOTHER = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"})


def make_ready(client: Minio, requests: Requests, origins: Sequence[str], expire_days: Mapping[str, int]) -> None:
    """Make the bucket if it is missing, then try the two rules; raises what minio-py raises for the first part.

    `origins` may PUT from browsers. `expire_days` says after how many days the store itself removes the objects
    whose names begin with a prefix: a safety net under our own sweep, so let it be longer than any retention.
    """
    bucket = requests.address.bucket
    _make_if_missing(client, bucket)
    if origins:
        _attempt("cross-origin rule", lambda: _allow_origins(requests, origins))
    if expire_days:
        _attempt("lifecycle rule", lambda: _expire(client, bucket, expire_days))


def _make_if_missing(client: Minio, bucket: str) -> None:
    if client.bucket_exists(bucket):
        return
    try:
        client.make_bucket(bucket)
    except S3Error as refused:
        if refused.code not in _MADE_BY_ANOTHER or not client.bucket_exists(bucket):
            raise


def _attempt(what: str, change: Callable[[], None]) -> None:
    try:
        change()
    except MinioException as refused:
        # The code alone: what a store answers may hold anything.
        _log.info("the object store takes no %s (%s)", what, getattr(refused, "code", type(refused).__name__))


def _allow_origins(requests: Requests, origins: Sequence[str]) -> None:
    try:
        present = requests.send("GET", query={"cors": ""})
    except S3Error as missing:
        if missing.code != "NoSuchCORSConfiguration":
            raise
        present = b""
    if b"<CORSRule>" in present:
        return
    allowed = "".join(f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in origins)
    methods = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in ("PUT", "GET", "HEAD"))
    rule = f"{allowed}{methods}<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>"
    body = f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>".encode()
    digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()  # which S3 wants here
    requests.send("PUT", query={"cors": ""}, headers={"Content-MD5": digest}, body=body)


def _expire(client: Minio, bucket: str, expire_days: Mapping[str, int]) -> None:
    present = client.get_bucket_lifecycle(bucket)
    if present is not None and present.rules:
        return
    rules = [
        Rule(ENABLED, rule_filter=Filter(prefix=prefix), rule_id=f"arqade-{index}", expiration=Expiration(days=days))
        for index, (prefix, days) in enumerate(sorted(expire_days.items()))
    ]
    client.set_bucket_lifecycle(bucket, LifecycleConfig(rules))
