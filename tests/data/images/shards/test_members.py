"""What lies in a tar: as `tarfile` says, and damage by name."""

import bz2
import gzip
import io
import lzma
import tarfile

import numpy as np
import pytest

from instdisc.data.images.shards.members import read_members

from .conftest import write_tar

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
NAMES = {
    "1.jpg": b"one",
    "./2.jpg": b"",
    "a/b/3.jpg": bytes(512),
    "Küken.jpg": b"x" * 513,
    "d" * 60 + "/" + "e" * 90 + ".jpg": b"y" * 5000,
}


def members(path):
    return [tuple(member) for member, _ in read_members(path)]


def by_tarfile(path):
    with tarfile.open(path) as tar:
        return [(each.name, each.offset_data, each.size) for each in tar if each.isreg()]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read_as_tarfile_reads_it(tmp_path, form):
    names = dict(NAMES)
    if form != "ustar":
        names |= {"f" * 300 + ".jpg": b"long", "g/" * 200 + "ü" * 40 + ".jpg": b"z"}
    path = write_tar(tmp_path / "1.tar", names, FORMATS[form])
    assert members(path) == by_tarfile(path)
    assert [name for name, _, _ in members(path)] == list(names)


def test_what_is_no_plain_file_is_passed_over(tmp_path):
    path = tmp_path / "1.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}) as tar:
        for name, kind in (
            ("folder", tarfile.DIRTYPE),
            ("link", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("pipe", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name * 40)
            member.type, member.linkname, member.size = kind, "1.jpg" * 40, 0
            tar.addfile(member)
        member = tarfile.TarInfo("1.jpg")
        member.size, member.pax_headers = 3, {"mtime": "1.5", "path": "2.jpg"}
        tar.addfile(member, io.BytesIO(b"abc"))
    assert members(path) == by_tarfile(path)
    assert [name for name, _, _ in members(path)] == ["2.jpg"]


def test_many_members_and_what_is_read_between_them(tmp_path):
    sizes = np.random.default_rng(0).integers(0, 9000, 2500)
    files = {f"{number}.jpg": bytes([number % 251]) * size for number, size in enumerate(sizes)}
    path = write_tar(tmp_path / "1.tar", files)
    assert members(path) == by_tarfile(path)
    for (name, content), (member, read) in zip(files.items(), read_members(path), strict=True):
        assert (member.name, read(member.start, member.size)) == (name, content)


def test_the_size_in_a_pax_header_counts(tmp_path):
    """As of a file of 8 GiB and more, here of a small one."""
    path = write_tar(tmp_path / "1.tar", {"1.jpg": b"a" * 600, "2.jpg": b"b"}, FORMATS["pax"])
    whole = bytearray(path.read_bytes())
    header = tarfile.TarInfo("1.jpg")
    header.size, header.pax_headers = 0, {"size": "600"}
    path.write_bytes(header.tobuf(tarfile.PAX_FORMAT) + whole[512:])
    assert members(path) == by_tarfile(path)
    assert [size for _, _, size in members(path)] == [600, 1]


def test_a_size_of_gnu_in_binary(tmp_path):
    header = tarfile.TarInfo("1.jpg")
    header.size = 9 * 2**30
    path = tmp_path / "1.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    with path.open("r+b") as file:  # a hole
        file.truncate(512 + header.size + 1024)
    assert members(path) == [("1.jpg", 512, header.size)]


# Damage


@pytest.mark.parametrize("left", [100, 512, 700, 512 + 1024, 512 + 1024 + 512 + 10])
def test_a_tar_that_was_cut_off(tmp_path, left):
    path = write_tar(tmp_path / "1.tar", {"1.jpg": b"a" * 600, "2.jpg": b"b" * 20})
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"cannot read the shard .*1.tar \(it ends too early"):
        members(path)


def test_an_empty_file(tmp_path):
    (tmp_path / "1.tar").touch()
    with pytest.raises(ValueError, match=r"1.tar \(it ends too early: there is no end mark"):
        members(tmp_path / "1.tar")


@pytest.mark.parametrize("place", [0, 124, 150, 1536 + 3, 1536 + 130])
def test_a_header_with_a_changed_byte(tmp_path, place):
    path = write_tar(tmp_path / "1.tar", {"1.jpg": b"a" * 600, "2.jpg": b"b" * 20})
    content = bytearray(path.read_bytes())
    content[place] ^= 2
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"1.tar \(it is damaged"):
        members(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar(tmp_path, compress):
    path = write_tar(tmp_path / "1.tar", {"1.jpg": bytes(600)})
    path.write_bytes(compress(path.read_bytes()))
    with pytest.raises(ValueError, match="it is compressed, so that no image .*unpack it"):
        members(path)


def test_two_tars_that_were_joined(tmp_path):
    path = write_tar(tmp_path / "1.tar", {"1.jpg": b"a"})
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(ValueError, match="goes on after its end mark"):
        members(path)


def test_a_lone_end_mark_is_enough(tmp_path):
    path = write_tar(tmp_path / "1.tar", {"1.jpg": b"a"})
    path.write_bytes(path.read_bytes()[: 1024 + 512])
    assert members(path) == [("1.jpg", 512, 1)]


def test_sparse_files_are_refused(tmp_path):
    header = tarfile.TarInfo("1.jpg")
    header.type = tarfile.GNUTYPE_SPARSE
    path = tmp_path / "1.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ValueError, match="the file at 0 is sparse"):
        members(path)
    header = tarfile.TarInfo("1.jpg")
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    path.write_bytes(header.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    with pytest.raises(ValueError, match="is sparse: pack it without --sparse"):
        members(path)


def test_a_pax_header_of_nonsense(tmp_path):
    header = tarfile.TarInfo("1.jpg")
    header.pax_headers = {"comment": "x" * 30}
    path = tmp_path / "1.tar"
    path.write_bytes(
        header.tobuf(tarfile.PAX_FORMAT).replace(b"42 comment", b"99999999ab") + bytes(1024)
    )
    with pytest.raises(ValueError, match="the pax header at 0 is no such"):
        members(path)
    header.pax_headers = {"size": "-600"}
    path.write_bytes(header.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    with pytest.raises(ValueError, match="the pax header before 1,024 has no size"):
        members(path)
