"""The signatures of the examples in the reference of Amazon S3, whose keys and dates are published there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from libs.artifacts.signature import Signer

HOST = "examplebucket.s3.amazonaws.com"
AT = datetime(2013, 5, 24, tzinfo=UTC)
SIGNER = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")


def signed_query(headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None) -> dict[str, str]:
    found = SIGNER.query("PUT", HOST, "/a", query=query or {}, headers=headers or {}, ttl_s=60, at=AT)
    return dict(parse_qsl(found))


def test_the_presigned_url_of_the_reference() -> None:
    query = SIGNER.query("GET", HOST, "/test.txt", query={}, headers={}, ttl_s=86_400, at=AT)
    assert query == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize(
    "method, path, query, headers, body, signature",
    [
        (
            "GET", "/test.txt", {}, {"Range": "bytes=0-9"}, b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT", "/test$file.text", {},
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET", "/", {"lifecycle": ""}, {}, b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET", "/", {"max-keys": "2", "prefix": "J"}, {}, b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get object", "put object", "get bucket lifecycle", "list objects"],
)  # fmt: skip
def test_the_signed_requests_of_the_reference(
    method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes, signature: str
) -> None:
    sent = SIGNER.headers(method, HOST, path, query=query, headers=headers, body=body, at=AT)
    assert sent["Authorization"].endswith(f",Signature={signature}")
    assert headers.items() <= sent.items()


def test_what_is_sent_with_a_url_is_signed_whatever_the_case_and_order_of_its_names() -> None:
    one = signed_query({"Content-Length": "7", "content-type": "image/png"})
    assert one == signed_query({"Content-Type": " image/png ", "content-length": "7"})
    assert one["X-Amz-SignedHeaders"] == "content-length;content-type;host"


@pytest.mark.parametrize(
    "other",
    [{"Content-Length": "8"}, {"Content-Length": "7", "Content-Type": "text/plain"}, {}],
)
def test_other_headers_have_another_signature(other: dict[str, str]) -> None:
    assert signed_query(other)["X-Amz-Signature"] != signed_query({"Content-Length": "7"})["X-Amz-Signature"]


def test_the_query_is_signed_and_written_as_the_reference_says() -> None:
    found = SIGNER.query("PUT", HOST, "/a b", query={"uploadId": "a/b+c ~"}, headers={}, ttl_s=1, at=AT)
    assert found.endswith(dict(parse_qsl(found))["X-Amz-Signature"])
    assert "&uploadId=a%2Fb%2Bc%20~&" in found
    assert signed_query(query={"partNumber": "1"})["X-Amz-Signature"] != signed_query()["X-Amz-Signature"]


def test_the_secret_is_shown_to_nobody() -> None:
    assert "wJalr" not in repr(SIGNER)
