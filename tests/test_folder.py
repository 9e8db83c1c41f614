"""Pictures from outside: what is read is right, what is wrong is skipped or refused with a sentence, nothing else happens."""

import io
import os
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vae_core import archive, folder, layout, shrink
from vae_core import report as reports
from vae_core.errors import BadInput
from vae_core.folder import read_pictures

ORIENTATION = 0x0112


def picture(seed: int = 0, size: tuple[int, int] = (20, 16), kind: str = "PNG", mode: str = "RGB", **save) -> bytes:
    """A file with a random picture of (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return saved(Image.fromarray(pixels).convert(mode), kind, **save)


def saved(image: Image.Image, kind: str = "PNG", **save) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **save)
    return file.getvalue()


def zipped(files: dict[str, bytes] | list[tuple], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return file.getvalue()


def several(count: int = 6) -> dict[str, bytes]:
    return {f"{i}.png": picture(100 + i) for i in range(count)}


def one(raw: bytes, size: int = 8, fit: str = "crop") -> np.ndarray:
    """What becomes of one file: uint8 (size, size, 3)."""
    picture = shrink.shrink(raw, size, fit)
    return picture.colours + (255 - picture.alpha[..., None])  # on white


def all_images(images) -> torch.Tensor:
    return torch.cat([images.train_images, images.test_images])


# What is read.


@pytest.mark.parametrize("form", ["zip bytes", "zip file", "directory"])
def test_a_folder_a_class_is_read_the_same_from_everywhere(form, tmp_path):
    files = {f"pets/{kind}/{i}.png": picture(i + 50 * (kind == "dog")) for kind in ("cat", "dog") for i in range(12)}
    if form == "directory":
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        source = tmp_path
    else:
        source = zipped(files)
        if form == "zip file":
            (tmp_path / "pets.zip").write_bytes(source)
            source = tmp_path / "pets.zip"
    images, report = read_pictures(source, 16)
    assert images.classes == ("cat", "dog")
    assert images.train_images.shape == (20, 3, 16, 16)
    assert images.test_images.shape == (4, 3, 16, 16)
    assert images.train_images.dtype == torch.uint8
    assert report.balance == {"cat": 12, "dog": 12}
    assert (report.read, report.duplicates, report.skipped) == (24, 0, ())
    truth = {one(content, 16).tobytes(): name.split("/")[1] for name, content in files.items()}
    labels = torch.cat([images.train_labels, images.test_labels])
    for image, label in zip(all_images(images), labels, strict=True):
        assert truth[image.permute(1, 2, 0).numpy().tobytes()] == images.classes[label]
    expected = read_pictures(zipped(files), 16)[0]
    assert images.digest == expected.digest


def test_a_flat_folder_has_no_classes_and_neither_has_a_single_one():
    for files in (several(), {f"only/{name}": content for name, content in several().items()}):
        images, report = read_pictures(zipped(files))
        assert images.classes == ()
        assert report.balance == {}
        assert not images.train_labels.any()


def test_the_split_is_seeded_and_disjoint():
    source = zipped(several(30))
    first, same, other = (read_pictures(source, seed=seed)[0] for seed in (1, 1, 2))
    assert first.digest == same.digest != other.digest
    assert len(first.test_images) == 5
    assert len(torch.unique(all_images(first).flatten(1), dim=0)) == 30


def test_progress_is_told_file_by_file_and_the_set_has_the_name_of_the_file():
    told = []
    images, _ = read_pictures(zipped(several(6)), name="my flags.ZIP", each=lambda done, of: told.append((done, of)))
    assert told == [(done, 6) for done in range(6)]
    assert images.name == "folder:my flags" == folder.set_name("my flags")
    with pytest.raises(BadInput, match=r"my flags\.ZIP is no intact zip"):
        read_pictures(b"PK", name="my flags.ZIP")


def test_exact_copies_are_left_out():
    files = several(8) | {f"copies/{i}.png": picture(100) for i in range(5)}
    images, report = read_pictures(zipped(files))
    assert (report.read, report.duplicates) == (8, 5)
    assert len(torch.unique(all_images(images).flatten(1), dim=0)) == 8


def test_grey_pictures_alone_make_one_channel():
    grey = {name: saved(Image.open(io.BytesIO(content)).convert("L")) for name, content in several().items()}
    assert read_pictures(zipped(grey))[0].image_shape == (1, 32, 32)
    assert read_pictures(zipped(grey | {"colour.png": picture(1)}))[0].image_shape == (3, 32, 32)


@pytest.mark.parametrize("fit", folder.FITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (33, 64), (64, 64), (300, 200)], ids=str)
def test_any_size_becomes_the_size_asked_for(size, fit):
    files = several() | {"odd.png": picture(1, size)}
    images, report = read_pictures(zipped(files), 32, fit)
    assert images.image_shape == (3, 32, 32)
    assert report.read == 7


def test_crop_takes_the_middle_and_letterbox_takes_all_on_white():
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, :8], wide[:, 8:16], wide[:, 16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    raw = saved(Image.fromarray(wide))
    assert (one(raw) == (0, 255, 0)).all()
    boxed = one(raw, 24, "letterbox")
    assert (boxed[8:16] == np.repeat(wide, 1, 0)).all()
    assert (boxed[:8] == 255).all()
    assert (boxed[16:] == 255).all()


def test_transparent_parts_are_white_and_counted():
    ink = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    ink.paste((10, 20, 30, 255), (0, 0, 4, 8))
    expected = np.full((8, 8, 3), 255, np.uint8)
    expected[:, :4] = (10, 20, 30)
    assert (one(saved(ink)) == expected).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([200, 0, 0, 0, 0, 200])
    assert (one(saved(palette, transparency=0)) == 255).all()
    assert (one(saved(Image.new("LA", (8, 8), (50, 0)))) == 255).all()
    report = read_pictures(zipped(several() | {"a.png": saved(ink)}))[1]
    assert report.transparent == 1
    assert any("white" in sentence for sentence in report.sentences())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_stand_upright_as_their_exif_says(kind, orientation):
    quarters = np.zeros((8, 8, 3), np.uint8)
    quarters[:4, :4], quarters[:4, 4:], quarters[4:, :4] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    upright = Image.fromarray(quarters).resize((64, 64), Image.Resampling.NEAREST)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpositions that Pillow numbers so, undone
    turned = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 95} | ({"lossless": True} if kind == "WEBP" else {})
    raw = saved(turned, kind, exif=exif, **options)
    assert abs(one(raw).astype(int)[1::5, 1::5] - quarters[1::5, 1::5]).max() < 16
    assert ("turned" in shrink.shrink(raw, 8, "crop").notes) == (orientation > 1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16"])
def test_every_kind_of_pixel_is_read(mode):
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    if mode == "I;16":
        raw = saved(Image.fromarray(grey.astype(np.uint16) * 257))
    else:
        image = Image.fromarray(grey)
        raw = saved((image.convert("RGB") if mode == "CMYK" else image).convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    expected = np.asarray(Image.fromarray(grey).convert("1").convert("L")) if mode == "1" else grey
    assert abs(one(raw).astype(int) - expected[..., None]).max() <= (12 if mode == "CMYK" else 1)


def test_of_an_animation_the_first_frame_is_read_and_said():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    raw = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (one(raw) == (255, 0, 0)).all()
    assert read_pictures(zipped(several() | {"a.gif": raw}))[1].animated == 1


def test_all_black_and_all_white_are_pictures():
    files = {f"{i}.png": saved(Image.new("L", (9 + i, 9), 255 * (i % 2))) for i in range(6)}
    assert read_pictures(zipped(files))[1].read == 6


def test_few_pictures_are_warned_of_kindly(monkeypatch):
    assert "by heart" in read_pictures(zipped(several()))[1].sentences()[-1]
    monkeypatch.setattr(reports, "FEW", 6)
    assert "by heart" not in read_pictures(zipped(several()))[1].sentences()[-1]


@pytest.mark.parametrize("bad", range(6))
def test_wherever_the_damaged_ones_stand_there_are_pictures_to_train_and_to_test(bad):
    for keep in (3, 4, 5):
        files = several(6 - bad) | {f"bad{i}.png": b"x" * (i + 1) for i in range(60)}
        if 6 - bad < 3:
            with pytest.raises(BadInput, match="at least 3"):
                read_pictures(zipped(files), seed=keep)
            continue
        images, report = read_pictures(zipped(files), seed=keep)
        assert len(images.test_images) >= 1
        assert len(images.train_images) >= 2
        assert len(torch.unique(all_images(images).flatten(1), dim=0)) == report.read == 6 - bad
        assert len(images.train_labels) == len(images.train_images)


# Names.


@pytest.mark.parametrize(
    "name",
    ["../../escaped/x.png", "/etc/escaped/x.png", "a\\..\\escaped\\x.png", "C:\\escaped\\x.png", "//host/share/escaped/x.png"],
)
def test_names_are_never_paths(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(os.listdir("/etc")), set(os.listdir(".."))
    images, report = read_pictures(zipped({f"a/{k}": v for k, v in several().items()} | {name: picture(1)}))
    assert report.read == 7
    assert (set(os.listdir("/etc")), set(os.listdir(".."))) == before
    assert os.listdir(".") == []
    assert not any(set("/\\") & set(title) or ".." in title for title in images.classes)


def test_class_names_of_every_script_stay_and_are_bounded():
    names = ["قطة", "😀", "a" * 255, "-rf", "<script>", "![](http:x)", "dog\u202egod", "a" * 254 + "b"]
    files = {f"{name}/{i}.png": picture(10 * index + i) for index, name in enumerate(names) for i in range(2)}
    images, report = read_pictures(zipped(files))
    assert len(set(images.classes)) == len(names)
    assert {"قطة", "😀", "-rf", "<script>"} <= set(images.classes)
    assert all(len(title) <= archive.MAX_NAME + 6 and title.isprintable() for title in images.classes)
    assert set(report.balance.values()) == {2}


def test_three_hundred_classes_of_one_image_each_are_read_and_too_many_are_refused(monkeypatch):
    files = {f"{i:03}/x.png": picture(i, (4, 4)) for i in range(300)}
    assert len(read_pictures(zipped(files), 8)[0].classes) == 300
    monkeypatch.setattr(layout, "MAX_CLASSES", 299)
    with pytest.raises(BadInput, match="at most 299"):
        read_pictures(zipped(files), 8)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_two_pictures():
    source = zipped([*several().items(), ("0.png", picture(7))])
    assert read_pictures(source)[1].read == 7


def test_what_systems_leave_in_folders_is_not_even_told():
    junk = {"__MACOSX/._0.png": b"x", ".DS_Store": b"x", "a/Thumbs.db": b"x", "a/": b"", ".hidden/0.png": picture(3)}
    report = read_pictures(zipped(several() | junk))[1]
    assert (report.read, report.skipped) == (6, ())


# What is skipped, and why.


def header_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, and nothing more."""
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content))


SKIPPED = {
    "a page": b"<html>not a picture</html>", "empty": b"", "random": bytes(range(256)) * 4, "truncated": picture(1)[:200],
    "bomb": header_of(60_000, 60_000), "pdf": b"%PDF-1.4\n", "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "exe": b"MZ" + bytes(200), "nested": zipped(several()),
    "float tiff": saved(Image.new("F", (8, 8)), "TIFF"),
}


@pytest.mark.parametrize("what", SKIPPED)
def test_what_is_no_picture_is_skipped_and_the_others_are_read(what):
    report = read_pictures(zipped(several() | {"x.png": SKIPPED[what]}))[1]
    assert report.read == 6
    ((name, reason),) = report.skipped
    assert name == "x.png"
    assert reason.endswith(".")
    assert "\n" not in reason


@pytest.mark.filterwarnings("ignore:Image size")
def test_a_real_picture_of_144_million_pixels_is_skipped():
    raw = saved(Image.new("1", (12_000, 12_000)))
    assert len(raw) < 200_000
    ((_, reason),) = read_pictures(zipped(several() | {"x.png": raw}))[1].skipped
    assert "24 million" in reason


def changed(source: bytes, name: str, **fields) -> bytes:
    """The zip with fields of an entry changed in both of its headers; offsets as in PKWARE's APPNOTE."""
    raw = bytearray(source)
    local = {"flags": (6, 2), "method": (8, 2), "size": (22, 4)}
    central = {"flags": (8, 2), "method": (10, 2), "size": (24, 4)}
    for offsets, signature, at_name in ((local, b"PK\3\4", 30), (central, b"PK\1\2", 46)):
        start = -1
        while (start := raw.find(signature, start + 1)) >= 0:
            if raw[start + at_name :].startswith(name.encode()):
                for field, value in fields.items():
                    offset, length = offsets[field]
                    raw[start + offset : start + offset + length] = value.to_bytes(length, "little")
    return bytes(raw)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"flags": 1}, "encrypted"), ({"method": 99}, "compressed"), ({"method": 14}, "compressed"), ({"size": 5}, "damaged"),
     ({"size": 20 * 2**20}, "larger than 10 MB")],
    ids=str,
)
def test_odd_entries_are_skipped(fields, reason):
    files = several() | {"odd.png": picture(1, (300, 300))}
    report = read_pictures(changed(zipped(files), "odd.png", **fields))[1]
    assert report.read == 6
    assert [(name, reason in why) for name, why in report.skipped] == [("odd.png", True)]


def test_links_are_skipped_in_zip_files_and_folders(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    report = read_pictures(zipped([*several().items(), (link, b"/etc/passwd")]))[1]
    assert [("link.png", "link" in why) for _, why in report.skipped] == [("link.png", True)]

    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(picture(1))
    inside = tmp_path / "inside"
    inside.mkdir()
    for name, content in several().items():
        (inside / name).write_bytes(content)
    (inside / "file.png").symlink_to(outside / "secret.png")
    (inside / "folder").symlink_to(outside)
    os.mkfifo(inside / "pipe.png")
    report = read_pictures(inside)[1]
    assert report.read == 6
    assert {name for name, _ in report.skipped} == {"file.png", "pipe.png"}


# What is refused as a whole.


def test_a_bomb_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(archive, "_entry", lambda *_: pytest.fail("an entry was read"))
    zeros = zipped({f"{i}.bmp": bytes(5 * 2**20) for i in range(40)}, zipfile.ZIP_DEFLATED)
    assert len(zeros) < 300_000
    with pytest.raises(BadInput, match="200 times"):
        read_pictures(zeros)
    monkeypatch.setattr(archive, "MAX_UNPACKED", 10**6)
    with pytest.raises(BadInput, match="unpacks to more"):
        read_pictures(zeros)


def test_what_is_unpacked_is_counted_whatever_is_declared(monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE", 10_000)
    big = changed(zipped(several() | {"big.png": bytes(50_000)}, zipfile.ZIP_DEFLATED), "big.png", size=9_000)
    ((name, _),) = read_pictures(big)[1].skipped
    assert name == "big.png"


def test_too_many_pictures_or_too_large_a_result_are_refused(monkeypatch, tmp_path):
    source = zipped(several())
    monkeypatch.setattr(folder, "MAX_RESULT", 6 * 3 * 32 * 32 - 1)
    with pytest.raises(BadInput, match="smaller size"):
        read_pictures(source)
    monkeypatch.setattr(folder, "MAX_PICTURES", 5)
    with pytest.raises(BadInput, match="at most 5"):
        read_pictures(source)
    for name, content in several().items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(archive, "MAX_ENTRIES", 5)
    with pytest.raises(BadInput, match="more than 5"):
        read_pictures(tmp_path)
    monkeypatch.setattr(archive, "MAX_ARCHIVE", 100)
    with pytest.raises(BadInput, match="zip files of at most"):
        read_pictures(source)


@pytest.mark.parametrize(
    "source", [b"", b"PK", zipped({}), b"PK\5\6" + bytes(18), bytes(1000), zipped({"a.txt": b"hello"}), SKIPPED["exe"]]
)
def test_what_is_no_zip_of_pictures_is_refused(source):
    with pytest.raises(BadInput) as caught:
        read_pictures(source)
    assert "\n" not in str(caught.value)


def test_a_missing_path_a_bad_size_and_a_bad_fit_are_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_pictures(tmp_path / "nowhere.zip")
    with pytest.raises(BadInput, match="no pictures"):
        read_pictures(tmp_path)
    for options in ({"image_size": 7}, {"image_size": 65}, {"image_size": 32.0}, {"fit": "stretch"}):
        with pytest.raises(BadInput):
            read_pictures(zipped(several()), **options)


# Nothing but BadInput.

WHOLE = zipped(several(4) | {"a/b.jpg": picture(9, kind="JPEG"), "a/c.gif": picture(8, kind="GIF")}, zipfile.ZIP_DEFLATED)
QUIET = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@given(edits=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=20),
       cut=st.none() | st.integers(0, len(WHOLE)))
@QUIET
def test_any_damage_gives_pictures_or_a_sentence(edits, cut):
    raw = bytearray(WHOLE)
    for position, value in edits:
        raw[position] = value
    try:
        images, report = read_pictures(bytes(raw[:cut]), 8)
    except BadInput:
        return
    assert report.read == len(images.train_images) + len(images.test_images)


@given(
    names=st.lists(st.text(min_size=1, max_size=40).filter(lambda name: "\0" not in name), min_size=3, max_size=8, unique=True)
)
@QUIET
def test_any_names_give_distinct_printable_classes_or_a_sentence(names):
    found = layout.layout(names)
    classes, class_of = found.classes(found.default, names)
    assert len(set(classes)) == len(classes)
    assert all(title.isprintable() and title for title in classes)
    assert set(class_of) == set(names)
    assert set(class_of.values()) == set(range(len(classes))) or (classes == () and set(class_of.values()) == {0})


@given(
    raw=st.binary(max_size=300),
    kind=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF", b"BM"]),
)
@QUIET
def test_any_bytes_are_a_picture_or_a_sentence(raw, kind):
    try:
        small = one(kind + raw)
    except BadInput:
        return
    assert small.shape == (8, 8, 3)
