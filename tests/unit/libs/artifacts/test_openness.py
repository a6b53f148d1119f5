"""What policies and access lists open to anybody, in the words that stores write them in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from libs.artifacts.openness import told

#: What `mc anonymous set download` writes.
DOWNLOAD = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetBucketLocation", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::arqade"],
        },
        {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a/*"]},
    ],
}
OURS = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::1:user/arqade"]}, "Action": "s3:*", "Resource": "*"}
NETWORK = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
ACL = (
    '<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><AccessControlList><Grant>'
    '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">'
    "<URI>http://acs.amazonaws.com/groups/global/{}</URI></Grantee><Permission>{}</Permission>"
    "</Grant></AccessControlList></AccessControlPolicy>"
)


class Store:
    """Answers what it is asked for."""

    def __init__(self, policy: bytes = b"", acl: bytes = b"") -> None:
        self.answers = {"policy": policy, "acl": acl}

    def send(self, method: str, *, query: dict[str, str]) -> bytes:
        assert method == "GET"
        return self.answers[next(iter(query))]


def by_policy(*statements: Any) -> set[str]:
    document = json.dumps({"Statement": statements}).encode()
    return {act for act, _ in told(Store(policy=document))}  # type: ignore[arg-type]


def test_download_lets_anybody_list_and_read() -> None:
    found = list(told(Store(policy=json.dumps(DOWNLOAD).encode())))  # type: ignore[arg-type]
    assert found == [("list", "its policy says so"), ("read", "its policy says so")]


@pytest.mark.parametrize(
    "statement, acts",
    [
        ({"Principal": "*", "Action": "s3:*"}, {"list", "write", "read"}),
        ({"Principal": "*", "Action": "*"}, {"list", "write", "read"}),
        ({"Principal": "*", "Action": "s3:Put*"}, {"write"}),
        ({"Principal": {"AWS": "*"}, "Action": ["s3:DeleteObject"]}, {"write"}),
        ({"Principal": "*", "Action": "s3:ListBucket", "Condition": {"StringLike": {"s3:prefix": "a/*"}}}, {"list"}),
        ({"NotPrincipal": {"AWS": "x"}, "Action": "s3:GetObject"}, {"read"}),
        ({"Principal": "*", "Action": "s3:GetObject", "Condition": NETWORK}, set()),
        ({"Principal": "*", "Action": "s3:GetBucketLocation"}, set()),
        ({"Principal": "*", "Action": "s3:*", "Effect": "Deny"}, set()),
        (OURS, set()),
    ],
)
def test_what_a_statement_opens(statement: dict[str, Any], acts: set[str]) -> None:
    assert by_policy({"Effect": "Allow", **statement}) == acts


@pytest.mark.parametrize("document", [b"", b"<ListBucketResult/>", b"[]", b"3", b'{"Statement": "x"}'])
def test_what_is_no_policy_opens_nothing(document: bytes) -> None:
    assert list(told(Store(policy=document))) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "group, permission, acts",
    [
        ("AllUsers", "READ", {"list"}),
        ("AllUsers", "WRITE", {"write"}),
        ("AuthenticatedUsers", "FULL_CONTROL", {"list", "write"}),
        ("AllUsers", "READ_ACP", set()),
        ("LogDelivery", "WRITE", set()),
    ],
)
def test_what_an_access_list_opens(group: str, permission: str, acts: set[str]) -> None:
    store = Store(acl=ACL.format(group, permission).encode())
    assert {act for act, _ in told(store)} == acts  # type: ignore[arg-type]
