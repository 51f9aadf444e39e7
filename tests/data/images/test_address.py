"""Addresses: told from paths, without secrets, patterns."""

from pathlib import Path

import pytest

from instdisc.data.images.address import (
    Address,
    as_address,
    expand_braces,
    split_name,
    without_secrets,
)


@pytest.mark.parametrize(
    "text",
    ["s3://bucket/a/b", "hf://datasets/me/set@main/x", "memory://a", "https://h:80/x?a=1&b=2"],
)
def test_an_address_is_one_also_as_a_path(text):
    assert as_address(text) == as_address(Path(text)) == text


def test_a_path_is_no_address(tmp_path, monkeypatch):
    assert as_address("file:///a/b") == as_address(Path("file:///a/b")) == "file:///a/b"
    for path in ("a/b", "/a", "C:/a", "C:\\a", "a:b", "pets=a", "", 3, None, Path("a/b")):
        assert as_address(path) is None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "x").mkdir(parents=True)
    assert as_address(Path("s3://x")) is None  # a folder that is really called so


def test_parts_of_an_address():
    address = Address("https://me:pass@host/a/set?sig=1")
    assert ((address / "0.tar").full, address.name) == (
        "https://me:pass@host/a/set/0.tar?sig=1",
        "set",
    )
    assert address.parent.full == "https://me:pass@host/a?sig=1"
    assert (Address("memory://") / "a").full == "memory://a"
    assert str(Address("s3://b/odd?.tar")) == "s3://b/odd?.tar"  # a name in S3 may have one
    assert repr(address) == "'https://host/a/set'"
    assert len({address, Address(address.full), address / "x"}) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("https://token@host/x y", "https://host/x y"),
        ("abfs://box@account/x", "abfs://box@account/x"),
        ("hf://datasets/me/set@main/x", "hf://datasets/me/set@main/x"),
        ("(url='https://h/x?sig=s%2F&t=2', 403) http://h?a", "(url='https://h/x', 403) http://h"),
    ],
)
def test_secrets_are_not_shown(text, shown):
    assert without_secrets(text) == shown


def test_patterns():
    assert expand_braces("a/train-{0000..0146}.tar")[::146] == [
        "a/train-0000.tar",
        "a/train-0146.tar",
    ]
    assert expand_braces("{8..10}{a,b}") == ["8a", "8b", "9a", "9b", "10a", "10b"]
    assert expand_braces("{000..2}") == ["000", "001", "002"]
    assert expand_braces("x") == ["x"]
    for wrong in ("{3..1}", "{a}", "{0..9999999}", "{0..999}{0..9999}"):
        with pytest.raises(ValueError, match="`shards` must be a pattern"):
            expand_braces(wrong)


def test_a_name_before_an_address():
    assert split_name("pets=x") == ("pets", "x")
    assert split_name("pets=s3://b/x=1") == ("pets", "s3://b/x=1")
    assert split_name("s3://b/x=1") == ("", "s3://b/x=1")
