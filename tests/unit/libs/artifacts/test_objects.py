from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from libs.artifacts.objects import URL_TTL_S_MAX, Objects


def objects(endpoint: str = "127.0.0.1:9", **options: object) -> Objects:
    return Objects(endpoint, "access", "a secret of the store", "arqade", **options)  # type: ignore[arg-type]


def test_signing_a_url_asks_nobody() -> None:
    store = objects()  # nobody listens there
    assert store.presigned_put("a/b", 60, content_type="image/png", size_bytes=1).startswith(
        "http://127.0.0.1:9/arqade/a/b?"
    )


def test_urls_are_signed_for_the_host_that_callers_reach() -> None:
    store = objects("minio:9000", public_endpoint="https://s3.example.com/")
    url = urlsplit(store.presigned_get("a/b.png", 60, filename="b.png", content_type="image/png"))
    assert (url.scheme, url.netloc, url.path) == ("https", "s3.example.com", "/arqade/a/b.png")


@pytest.mark.parametrize(
    "endpoint, use_ssl, scheme",
    [
        ("s3.example.com", True, "https"),
        ("s3.example.com", False, "http"),
        ("https://s3.example.com", False, "https"),
        ("http://s3.example.com", True, "http"),
    ],
)
def test_a_scheme_decides_about_tls_and_the_flag_where_there_is_none(endpoint: str, use_ssl: bool, scheme: str) -> None:
    assert (
        urlsplit(
            objects(endpoint, use_ssl=use_ssl).presigned_put("a", 60, content_type="image/png", size_bytes=1)
        ).scheme
        == scheme
    )


def test_a_download_is_an_attachment_of_a_fixed_type() -> None:
    url = objects().presigned_get("a", 60, filename="ü.png", content_type="image/png")
    query = parse_qs(urlsplit(url).query)
    assert query["response-content-type"] == ["image/png"]
    assert query["response-content-disposition"] == ["attachment; filename=\"_.png\"; filename*=UTF-8''%C3%BC.png"]
    assert query["X-Amz-Expires"] == ["60"]


def test_no_url_lives_longer_than_a_week() -> None:
    query = parse_qs(urlsplit(objects().presigned_put("a", 10**9, content_type="image/png", size_bytes=1)).query)
    assert query["X-Amz-Expires"] == [str(URL_TTL_S_MAX)]


def test_the_secret_is_in_no_url() -> None:
    assert "secret" not in objects().presigned_put("a", 60, content_type="image/png", size_bytes=1)


@pytest.mark.parametrize("endpoint", ["ftp://s3.example.com", "https://s3.example.com/path", "", "a b"])
def test_a_malformed_endpoint_is_refused_at_once(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        objects(endpoint)


def test_a_malformed_bucket_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="bucket"):
        Objects("127.0.0.1:9", "access", "secret", "No Bucket")


@pytest.mark.parametrize("prefix", ["", "/", "a", "//"])
async def test_nobody_removes_everything_by_mistake(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        await objects().remove_all(prefix)
