"""What kind of place an address names, told without looking anything up."""

from __future__ import annotations

import pytest

from omnihuman_blocks.domain.addresses import is_public, is_web, without_credentials


@pytest.mark.parametrize(
    "address",
    [
        "https://media.example.com/a.png",
        "HTTPS://media.example.com:8443/a.png?x=1",
        "https://93.184.216.34/a.png",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/a.png",
        "https://[64:ff9b::5db8:d822]/a.png",
    ],
)
def test_an_https_address_outside_is_public(address: str) -> None:
    """A vendor could fetch from there."""
    assert is_public(address)
    assert is_web(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://media.example.com/a.png",
        "https://localhost/a.png",
        "https://localhost./a.png",
        "https://printer/a.png",
        "https://nas.local/a.png",
        "https://db.internal/a.png",
        "https://user@127.0.0.1/a.png",
        "https://127.1/a.png",
        "https://2130706433/a.png",
        "https://0x7f.1/a.png",
        "https://10.0.0.8/a.png",
        "https://169.254.169.254/latest",
        "https://[::1]/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://[fe80::1%25eth0]/a.png",
        "https://[64:ff9b::7f00:1]/a.png",
        "https://[64:ff9b::c0a8:1]/a.png",
        "https://[2002:7f00:1::]/a.png",
        "https://192.0.0.8/a.png",
        "https://224.0.0.1/a.png",
        "https://[broken/a.png",
        "https:///a.png",
        "s3://bucket/a.png",
        "/media/a.png",
        "a.png",
    ],
)
def test_what_lies_inside_or_is_not_https_is_not_public(address: str) -> None:
    """Numbers in a disguise included."""
    assert not is_public(address)


def test_files_and_buckets_are_not_the_web() -> None:
    """They are brought to the vendor, or they are not bought with."""
    assert not any(is_web(address) for address in ("s3://b/a", "/a", "a", "ftp://a.example/a"))


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("postgresql+psycopg://me:se/cr@et@db:5432/l", "postgresql+psycopg://db:5432/l"),
        ("postgresql://me:secret@db/l?sslmode=on", "postgresql://db/l?sslmode=on"),
        ("postgresql://db/l?user=me&password=se-cret", "postgresql://db/l?user=me&password=***"),
        (
            "https://a.example/t?X-Amz-Signature=abc&v=1",
            "https://a.example/t?X-Amz-Signature=***&v=1",
        ),
        ("https://tok@a.example:8443/b@c/t", "https://a.example:8443/b@c/t"),
        ("https://a.example:8443/b@c/t", "https://a.example:8443/b@c/t"),
        ("s3://bucket/a@b.parquet", "s3://bucket/a@b.parquet"),
        ("sqlite:////home/me/ledger.db", "sqlite:////home/me/ledger.db"),
        ("/plain/path@x", "/plain/path@x"),
    ],
)
def test_an_address_is_written_down_without_what_opens_doors(address: str, bare: str) -> None:
    """And stays an address that leads to the same place."""
    assert without_credentials(address) == bare
