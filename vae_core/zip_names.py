"""Names in zip files that do not say in which alphabet they are written.

A zip file marks names in UTF-8 (PKWARE APPNOTE 4.4.4, bit 11); unmarked ones should be in cp437, and are in whatever the system
of their maker uses: UTF-8 on a Mac, its code page on Windows. All unmarked names of a file have one maker, so they are read in
one code page. What no code page explains stays legible: its letters of ASCII stay, the others become "_".
"""

import re
import struct
import unicodedata
import zipfile
import zlib

UTF8_MARK = 0x800
UNICODE_PATH = 0x7075  # Info-ZIP's extra field of a name in UTF-8 (APPNOTE 4.6.9)
SAMPLE = 2000  # different names that are looked at to tell the code page
LATIN = {"cp437": "Western", "cp850": "Western", "cp1252": "Western", "cp852": "Central European",
         "cp1250": "Central European", "cp1254": "Turkish"}
OTHERS = {"cp866": "Cyrillic", "cp1251": "Cyrillic", "cp932": "Japanese", "gb18030": "Chinese", "big5": "Chinese",
          "cp949": "Korean", "cp737": "Greek", "cp1253": "Greek", "cp862": "Hebrew", "cp1255": "Hebrew",
          "cp1256": "Arabic"}
FREQUENT = "éèàäöüáíóúñçãåøæêßâôš"  # in Western and Northern European languages together
RARE = "îùûëïìòõœýÿžčřěůćőűčłąęśżźńğışățșďťňĺľŕđ"
SIGNS = "°²³½¼µºª·’–—"
WRONG = 100.0  # what a sign costs that no name has, or a capital within a word


def names_in(entries: list[zipfile.ZipInfo]) -> tuple[list[str], str]:
    """The names of a zip file's entries, accents composed, and the alphabet of its code page where one had to be told."""
    named: list[str | bytes] = []
    for entry in entries:
        if entry.flag_bits & UTF8_MARK:
            named.append(entry.orig_filename)
        else:
            raw = entry.orig_filename.encode("cp437")  # as zipfile read it; every byte has its letter there
            named.append(_unicode_path(entry.extra, raw) or raw)
    read, alphabet = decoded({name for name in named if isinstance(name, bytes)})
    plain = [read[name] if isinstance(name, bytes) else name for name in named]
    return [unicodedata.normalize("NFC", name.split("\0")[0]) for name in plain], alphabet


def decoded(names: set[bytes]) -> tuple[dict[bytes, str], str]:
    """What names of unknown alphabet say, different names differently; and the alphabet, where that is a guess."""
    parts = sorted({part for name in names for part in name.split(b"/") if not part.isascii()})
    strangers = [part for part in parts if _in(part, "utf-8") is None]
    mostly_utf8 = 2 * len(strangers) < len(parts)
    codec = _code_page(strangers if mostly_utf8 else parts) if strangers else "utf-8"
    order = ("utf-8", codec) if mostly_utf8 else (codec, "utf-8")
    found: dict[bytes, str] = {}
    for name in sorted(names):
        text = next((text for each in order if each and (text := _in(name, each)) is not None), None)
        found[name] = "/".join(map(_legible, name.split(b"/"))) if text is None else text
    return found, (LATIN | OTHERS).get(codec or "", "")


def _code_page(parts: list[bytes]) -> str | None:
    """The code page that most likely wrote `parts`; None where none of those known here could have."""
    sample = parts[:: max(1, len(parts) // SAMPLE)]
    costs = {codec: _cost(sample, codec) for codec in LATIN}
    latin = min(costs, key=costs.get)  # the first of equals: cp437 is what the format says
    accents = sum(byte > 127 for part in sample for byte in part)
    if costs[latin] < WRONG and sum(map(_latin_letters, sample)) > accents:
        return latin
    from chardet import detect_all  # here: its tables are needed for such names alone

    # The lengths and pairs of bytes of Chinese, Japanese and Korean names overlap: only how frequent they are tells them apart.
    guesses = detect_all(b"\n".join(sample), ignore_threshold=True, include_encodings=list(OTHERS), no_match_encoding="cp866")
    codecs = [codec for guess in guesses for codec in [_known(guess["encoding"])] if codec]
    other = next((codec for codec in codecs if all(_is_words(_in(part, codec)) for part in sample)), None)
    within = other and any(re.search(r"[a-z][^\W_a-zA-Z0-9]|[^\W_a-zA-Z0-9][a-z]", _in(part, other)) for part in sample)
    return latin if costs[latin] < WRONG and (within or not other) else other


def _known(encoding: str | None) -> str | None:
    """chardet's name of an encoding as one of OTHERS."""
    names = {"ibm866": "cp866", "windows-1251": "cp1251", "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030",
             "euc-kr": "cp949", "windows-1253": "cp1253", "windows-1255": "cp1255", "windows-1256": "cp1256",
             "big5hkscs": "big5"}
    name = (encoding or "").lower()
    return names.get(name, name if name in OTHERS else None)


def _cost(parts: list[bytes], codec: str) -> float:
    """How unlike names in a Latin alphabet `parts` are in this code page: WRONG or more where they cannot be."""
    cost = 0.0
    for part in parts:
        text = _in(part, codec)
        if text is None:
            return WRONG
        for before, letter, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
            if not letter.isascii():
                small = letter.lower()
                cost += 1 if small in FREQUENT else 2 if small in RARE else 3 if letter in SIGNS else WRONG
                cost += 5 * (small == "ß" and before.lower() not in "aeiouäöü")
            within = before.islower() or (before.isupper() and after.islower())  # a capital within a word of small letters
            if letter.isupper() and within and not (before + letter).isascii():
                cost += WRONG
    return cost


def _latin_letters(part: bytes) -> int:
    return sum(65 <= byte & 0xDF <= 90 for byte in part if byte < 128)


def _is_words(text: str | None) -> bool:
    """Whether names may look so: letters and ordinary signs; no drawn boxes, no half of a letter, nothing unassigned."""
    if text is None:
        return False
    if re.search(r"[A-Za-z][\u0370-\u06ff]|[\u0370-\u06ff][A-Za-z]", text):  # Greek to Arabic within a Latin word
        return False
    strange = [letter for letter in text if not letter.isascii()]
    if set(strange) & set("‚„†‡‰‹›“”•"):
        return False
    half_width = any("\uff61" <= letter <= "\uff9f" for letter in strange)  # katakana in one byte: other code pages become such
    return not half_width and all(unicodedata.category(letter)[0] in "LMNP" or letter in "\u3000°№" for letter in strange)


def _in(part: bytes, codec: str) -> str | None:
    try:
        return part.decode(codec)
    except UnicodeDecodeError:
        return None


def _legible(part: bytes) -> str:
    """ASCII as it is, anything else as "_", and a mark so that two such names stay two."""
    if part.isascii():
        return part.decode("ascii")
    plain = re.sub(rb"[\x80-\xff]+", b"_", part).decode("ascii")
    return f"{plain} #{zlib.crc32(part) & 0xFFFF:04x}"


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in UTF-8 beside `raw`, where the entry has one that was made for this very name."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and len(body) > 5 and body[0] == 1 and struct.unpack("<I", body[1:5])[0] == zlib.crc32(raw):
            return _in(body[5:], "utf-8")
    return None
