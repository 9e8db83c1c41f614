"""What is not read is called by its name, by its first bytes and then by the name of the file."""

import pytest
from test_folder import picture, several, zipped

from vae_core import file_kinds
from vae_core.errors import BadInput
from vae_core.folder import read_pictures
from vae_core.picture import open_picture


def media(brand: bytes, *others: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(others)
    return (len(body) + 4).to_bytes(4, "big") + body + bytes(100)


HEIC = media(b"heic", b"mif1", b"heic")
NOTHING = bytes(range(1, 99))  # tells nothing of itself
FILES = [  # what it is called, its bytes, its name
    ("HEIC", HEIC, "x.jpg"), ("HEIC", media(b"mif1", b"heic"), "x"), ("HEIC", NOTHING, "x.heic"),
    ("SVG", b"\n<svg width='9'/>", "x"), ("SVG", b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='x'/>", "x.png"),
    ("PDF", b"%PDF-1.7\n1 0 obj", "x.jpg"), ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n", "x"),
    ("Photoshop", b"8BPS\0\1" + bytes(50), "x.psd"), ("JPEG XL", b"\xff\x0a" + bytes(9), "x"),
    ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n", "x.jpg"), ("raw file", b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "x.tif"),
    ("raw file", b"II*\0" + bytes(99), "x.NEF"), ("raw file", media(b"crx ", b"crx "), "x"), ("video", media(b"isom"), "x.jpg"),
    ("video", b"\x1aE\xdf\xa3" + bytes(9), "x"), ("video", media(b"qt  "), "IMG_1.MOV"),
    ("Office", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "x"),
    ("Office", zipped({"[Content_Types].xml": b"<x/>"}), "x.docx"), ("archive", zipped({"a": b""}), "x.png"),
    ("web page", b"<!DOCTYPE html><svg/>", "x.png"), ("Git LFS", b"version https://git-lfs.github.com/spec/v1\n", "x.png"),
    ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(9), "x.jpg"), ("Windows icon", b"\0\0\1\0\1\0", "favicon.png"),
    ("DICOM", bytes(128) + b"DICM", "x"), ("program", b"MZ" + bytes(99), "x.png"), ("Targa", NOTHING, "x.tga"),
    ("a PNG", picture(1)[:60], "x"), ("a JPEG", picture(1, kind="JPEG")[:200], "x.png"),
]


@pytest.mark.parametrize(("what", "raw", "name"), FILES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_file_that_is_not_read_is_called_by_its_name(what, raw, name):
    ((_, reason),) = read_pictures(zipped(several() | {name: raw}), 8)[1].skipped
    assert what in reason
    assert reason.endswith(".")
    assert "Traceback" not in reason
    if what in {"HEIC", "SVG", "PDF", "EPS", "Photoshop", "JPEG XL", "raw file", "video"}:
        assert "which is not read here; " in reason  # the way out
        assert "no intact" not in reason


def test_a_set_of_such_files_says_what_they_are():
    with pytest.raises(BadInput, match=r"Of 5 others, 4: It is a HEIC, which is not read here; save it as PNG or JPEG\.$"):
        read_pictures(zipped({f"{i}.HEIC": HEIC + bytes(i) for i in range(4)} | {"a.pdf": b"%PDF-1"}), 8)


def test_a_single_picture_says_it_too():
    with pytest.raises(BadInput, match="HEIC"):
        open_picture(HEIC)


def test_suffixes_mean_one_thing_each():
    assert not file_kinds.BESIDE_SUFFIXES & file_kinds.PICTURE_SUFFIXES
    assert not file_kinds.SUFFIXES.keys() & (file_kinds.BESIDE_SUFFIXES | file_kinds.PICTURE_SUFFIXES)
    assert {kind for _, _, kind in file_kinds.MAGIC} >= file_kinds.READ - {"AVIF"}
    names = ("a/b.PNG", ".hidden", "a\\.x", "a.b/c", "c.tar.gz")
    assert [file_kinds.suffix(name) for name in names] == ["png", "", "", "", "gz"]
