"""Names in zip files whose alphabet is not said: shown right, or at least legibly, and never two folders as one."""

import os
import struct
import unicodedata
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_folder import QUIET, picture, zipped

from vae_core.folder import read_pictures
from vae_core.zip_names import UNICODE_PATH, decoded

ANIMALS = {
    "German": ["Füchse", "Vögel", "Bäume"], "French": ["chèvre", "élève", "forêt"], "Spanish": ["pájaro", "león", "niño"],
    "Portuguese": ["maçã", "leão", "pássaro"], "Danish": ["ørn", "æble", "får"], "Russian": ["кошки", "собаки", "Птицы"],
    "Greek": ["γάτα", "σκύλος"], "Hebrew": ["חתול", "כלב"], "Japanese": ["猫", "犬", "ネコ", "表"],
    "Chinese": ["猫", "狗", "苹果"], "Traditional": ["貓", "狗", "香蕉"], "Korean": ["고양이", "강아지"],
    "Czech": ["kočka", "žába", "kůň"],
}
WRITTEN = [
    (language, codec)
    for codecs, languages in {
        "cp437 cp850": ["German", "French", "Spanish"], "cp850": ["Portuguese", "Danish"],
        "cp1252": ["German", "French", "Spanish", "Portuguese", "Danish"], "latin-1": ["German"], "cp866 cp1251": ["Russian"],
        "cp737": ["Greek"], "cp862": ["Hebrew"], "cp932 shift_jis": ["Japanese"], "gbk": ["Chinese"], "big5": ["Traditional"],
        "cp949": ["Korean"], "cp852": ["Czech"],
    }.items()
    for codec in codecs.split() for language in languages
]


def unmarked(names: dict[str, bytes], codec: str, extra=lambda raw, name: b"") -> bytes:
    """A zip whose names are written in a code page, without the mark of UTF-8."""
    stand_ins = {name: f"Q{index:02}".ljust(len(name.encode(codec)), "~") for index, name in enumerate(names)}
    made = zipped({stand_ins[name]: content for name, content in names.items()})
    for name, stand_in in stand_ins.items():
        raw = name.encode(codec)
        assert made.count(stand_in.encode()) == 2
        made = made.replace(stand_in.encode(), raw)
    return made if not extra(b"", "") else _with_extra(made, names, codec, extra)


def _with_extra(source: bytes, names: dict[str, bytes], codec: str, extra) -> bytes:
    end = source.rfind(b"PK\5\6")
    start = struct.unpack("<I", source[end + 16 : end + 20])[0]
    table, at = b"", start
    for name in names:
        raw, more = name.encode(codec), extra(name.encode(codec), name)
        entry = source[at : at + 46 + len(raw)]
        table += entry[:30] + struct.pack("<H", len(more)) + entry[32:] + more
        at += 46 + len(raw)
    return source[:start] + table + source[end : end + 12] + struct.pack("<II", len(table), start) + b"\0\0"


def folders(names: list[str], each: int = 2) -> dict[str, bytes]:
    return {f"{name}/{i:04}.png": picture(10 * at + i, (6, 6)) for at, name in enumerate(names) for i in range(each)}


def mojibake(text: str) -> bool:
    """Box drawings, blocks, symbols, controls, replacement characters, lone half-width katakana."""
    wrong = ("So", "Sm", "Cc", "Cn", "Co")
    return any(unicodedata.category(letter) in wrong or "\uff61" <= letter <= "\uff9f" for letter in text)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", ANIMALS)
def test_utf_8_without_its_mark_is_read_composed(language, form):
    names = [unicodedata.normalize(form, name) for name in ANIMALS[language]]
    images, report = read_pictures(unmarked(folders(names), "utf-8"), 8)
    assert set(images.classes) == {unicodedata.normalize("NFC", name) for name in names}
    assert report.alphabet == ""


@pytest.mark.parametrize(("language", "codec"), WRITTEN)
def test_the_code_pages_of_windows_are_read_and_told(language, codec):
    images, report = read_pictures(unmarked(folders(ANIMALS[language]), codec), 8)
    assert set(images.classes) == set(ANIMALS[language])
    assert report.alphabet
    assert any(report.alphabet in sentence for sentence in report.sentences())
    assert report.read == 2 * len(ANIMALS[language])


@pytest.mark.parametrize(("language", "codec"), WRITTEN)
def test_a_single_name_is_never_boxes(language, codec):
    for name in ANIMALS[language]:
        (text,) = decoded({name.encode(codec)})[0].values()
        assert not mojibake(text), (name, text)


def test_the_name_in_unicode_beside_a_name_counts_where_it_was_made_for_it():
    def extra(raw: bytes, name: str) -> bytes:
        text = name.replace("xxxx", "Füchse").encode()
        body = b"\1" + struct.pack("<I", zlib.crc32(raw)) + text
        return struct.pack("<HH", UNICODE_PATH, len(body)) + body

    files = folders(["xxxx", "dogs"])
    assert read_pictures(unmarked(files, "ascii", extra), 8)[0].classes == ("Füchse", "dogs")
    stale = unmarked(files, "ascii", lambda raw, name: extra(raw + b"!", name))
    assert read_pictures(stale, 8)[0].classes == ("dogs", "xxxx")


def test_what_marked_names_say_is_composed_too_and_is_one_class():
    files = folders([unicodedata.normalize("NFC", "Füchse"), "dogs"]) | {
        f"{unicodedata.normalize('NFD', 'Füchse')}/{i}.png": picture(90 + i) for i in range(2)
    }
    images, report = read_pictures(zipped(files), 8)
    assert images.classes == ("Füchse", "dogs")
    assert report.balance["Füchse"] == 4


def test_unmarked_names_of_two_makers_are_each_read():
    raws = {"Füchse/1.png".encode(), "猫/1.png".encode(), "Vögel/1.png".encode("cp437")}
    assert set(decoded(raws)[0].values()) == {"Füchse/1.png", "猫/1.png", "Vögel/1.png"}


RAW = st.binary(min_size=1, max_size=12).filter(lambda raw: not set(raw) & {0, 47})


@given(st.lists(RAW, min_size=2, max_size=6, unique=True))
@QUIET
def test_any_bytes_are_text_and_stay_apart(raws):
    found, _ = decoded(set(raws))
    assert len(set(found.values())) == len(raws)
    "".join(found.values()).encode()  # no half of a letter


def test_a_folder_on_disk_has_names_of_other_alphabets_too(tmp_path):
    for name, content in folders(ANIMALS["Russian"]).items():
        path = os.path.join(os.fsencode(tmp_path), name.encode("cp1251"))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError:
            pytest.skip("this file system keeps names in Unicode only")
        with open(path, "wb") as file:
            file.write(content)
    images, report = read_pictures(tmp_path, 8)
    assert set(images.classes) == set(ANIMALS["Russian"])
    assert report.alphabet == "Cyrillic"
