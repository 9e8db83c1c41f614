"""Zip files as programs make them and as nobody should: what is listed, what lies beside pictures, what is refused early."""

import contextlib
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_folder import QUIET, changed, picture, several, zipped

from vae_core import archive, folder, shrink
from vae_core.archive import files_of
from vae_core.errors import BadInput
from vae_core.folder import read_pictures

LOST = 0xFFFF_FFFF  # what stands in a field whose value is in a zip64 record


def with_zip64(source: bytes, length: int | None = None, count: int | None = None, lost=True, comment=b""):
    """The zip with zip64 end records (APPNOTE 4.3.14 and 4.3.15), whose first claims this length and number of entries."""
    at = source.rfind(b"PK\5\6")
    entries, size, offset = struct.unpack("<HII", source[at + 10 : at + 20])
    length, count = size if length is None else length, entries if count is None else count
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    fields = (0xFFFF, 0xFFFF, LOST, LOST) if lost else (entries, entries, size, offset)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *fields, len(comment))
    return source[:at] + record + locator + end + comment


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("comment", [b"", b"made by a camera"])
def test_zip64_records_on_a_small_zip_are_read(lost, comment):
    source = with_zip64(zipped({f"a/{i}.png": picture(i) for i in range(4)} | {f"b/{i}.png": picture(9 + i) for i in range(4)}),
                        lost=lost, comment=comment)
    images, report = read_pictures(source, 8)
    assert (report.read, report.skipped, images.classes) == (8, (), ("a", "b"))


def test_entries_with_sizes_in_zip64_fields_are_read():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in several().items():
            with made.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
    assert read_pictures(file.getvalue(), 8)[1].read == 6


@pytest.mark.parametrize("length", [archive.MAX_DIRECTORY + 1, 2**40, 2**63])
def test_a_zip64_record_that_lies_about_the_length_of_the_table_is_refused(length):
    tracemalloc.start()
    with pytest.raises(BadInput, match=r"lists more files|no intact zip"):
        read_pictures(with_zip64(zipped(several()), length=length))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 2**20


@pytest.mark.parametrize("form", ["plain", "zip64"])
def test_too_many_entries_are_refused_before_an_object_is_made_of_any(form, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ENTRIES", 299)
    source = zipped({f"{i}": b"" for i in range(300)})
    if form == "zip64":
        source = with_zip64(source, count=1)  # the number that a record claims is nothing to go by
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *_: pytest.fail("an object was made"))
    with pytest.raises(BadInput, match="at most 299"):
        read_pictures(source)


def test_a_table_of_a_million_tiny_entries_costs_little_memory():
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    table = entry * 500_000
    source = table + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0, 0, len(table), 0, 0)
    tracemalloc.start()
    with pytest.raises(BadInput, match="lists more files"):
        read_pictures(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * 2**20  # the table itself, no half a million objects


@given(edits=st.lists(st.tuples(st.integers(0, 97), st.integers(0, 255)), max_size=12))
@QUIET
def test_any_damage_to_the_end_records_gives_pictures_or_a_sentence(edits):
    raw = bytearray(with_zip64(zipped(several(4))))
    for back, value in edits:
        raw[len(raw) - 1 - back] = value
    with contextlib.suppress(BadInput):
        assert read_pictures(bytes(raw), 8)[1].read <= 4


# Folders and separators.


def test_backslashes_and_empty_folders_are_folders_and_nobody_complains():
    files = {f"pets\\{kind}\\{i}.png": picture(i + 40 * (kind == "dog")) for kind in ("cat", "dog") for i in range(6)}
    by_dos = zipfile.ZipInfo("pets/made by dos")
    by_dos.external_attr = 0x10
    by_unix = zipfile.ZipInfo("pets/made by unix")
    by_unix.external_attr = 0o40755 << 16
    source = zipped([*files.items(), ("pets\\", b""), ("pets\\cat\\", b""), ("pets/empty/", b""), ("./", b""), (by_dos, b""),
                     (by_unix, b"")])
    images, report = read_pictures(source, 8)
    assert images.classes == ("cat", "dog")
    assert (report.read, report.skipped, report.beside) == (12, (), {})


# What lies beside pictures.


@pytest.mark.parametrize("suffix", ["xml", "JSON", "txt", "csv", "md", "yaml", "xmp", "AAE"])
def test_what_lies_beside_pictures_is_not_counted_and_told_in_one_line(suffix, monkeypatch, tmp_path):
    monkeypatch.setattr(folder, "MAX_PICTURES", 6)
    files = {f"a/{i}.png": picture(i) for i in range(3)} | {f"b/{i}.png": picture(9 + i) for i in range(3)}
    beside = {f"{name[:-4]}.{suffix}": b"<size/>" for name in files} | {f"notes/{i}.{suffix}": b"" for i in range(20)}
    alone = read_pictures(zipped(files), 8)[0]
    images, report = read_pictures(zipped(files | beside), 8)
    assert (report.read, report.skipped) == (6, ())
    assert report.beside == {f".{suffix.lower()}": 26}
    assert len([sentence for sentence in report.sentences() if "26 files beside" in sentence]) == 1
    assert images.digest == alone.digest  # the split is not drawn over what is no picture
    for name, content in (files | beside).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert read_pictures(tmp_path, 8)[0].digest == alone.digest


def test_text_of_an_unknown_suffix_lies_beside_and_damaged_pictures_are_skipped():
    report = read_pictures(zipped(several() | {"LICENSE": b"free\n", "0.labels": b"cat 1 2\n", "x.png": b"free\n"}), 8)[1]
    assert report.beside == {"text": 2}
    assert [name for name, _ in report.skipped] == ["x.png"]


def test_ten_thousand_pictures_with_a_file_beside_each_are_read(monkeypatch):
    def pretend(raw, size, *_):
        colours, alpha = np.frombuffer(raw, np.uint8).reshape(size, size, 3), np.full((size, size), 255, np.uint8)
        return shrink.Picture(colours, alpha, (), None)

    monkeypatch.setattr(folder, "shrink", pretend)  # decoding them is no part of the claim
    pixels = np.random.default_rng(0).integers(0, 256, (10_500, 192), dtype=np.uint8)
    files = {f"{i % 3}/{i}.png": row.tobytes() for i, row in enumerate(pixels)}
    report = read_pictures(zipped(files | {f"{name[:-4]}.xml": b"<annotation/>" for name in files}), 8)[1]
    assert (report.read, report.beside) == (10_500, {".xml": 10_500})
    assert folder.MAX_PICTURES * 5 <= archive.MAX_ENTRIES


def test_the_limit_counts_pictures_whatever_they_are_called(monkeypatch):
    monkeypatch.setattr(folder, "MAX_PICTURES", 5)
    with pytest.raises(BadInput, match=r"holds 6 pictures; at most 5"):
        read_pictures(zipped(several()), 8)
    with pytest.raises(BadInput, match="more than 5 pictures"):
        read_pictures(zipped({name.replace(".png", ""): raw for name, raw in several().items()}), 8)


# Reading.


def test_an_entry_that_is_read_twice_counts_once_and_an_empty_budget_reads_nothing(monkeypatch):
    files = {f"{i}.png": picture(i) for i in range(4)}
    monkeypatch.setattr(archive, "MAX_UNPACKED", sum(map(len, files.values())))
    with files_of(zipped(files), "x.zip") as found:
        for _ in range(3):
            assert sorted(file.read() for file in found.files) == sorted(files.values())
    lying = changed(zipped(files | {"big.png": bytes(5000)}, zipfile.ZIP_DEFLATED), "big.png", size=1)
    monkeypatch.setattr(archive, "MAX_UNPACKED", sum(map(len, files.values())) + 10)
    with files_of(lying, "x.zip") as found:
        for file in found.files[:4]:
            file.read()
        with pytest.raises(BadInput):
            found.files[4].read()
