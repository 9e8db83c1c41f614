"""What a file is, by its first bytes and then by its name: so that what is not read is called by its name."""

RAW = "camera's raw file"
ARCHIVE = "archive within the archive"
READ = {"PNG", "JPEG", "WebP", "GIF", "BMP", "TIFF", "AVIF"}
MAGIC = [  # (offset, bytes, kind); the first that fits
    (0, b"\x89PNG\r\n\x1a\n", "PNG"), (0, b"\xff\xd8\xff", "JPEG"), (0, b"GIF8", "GIF"), (0, b"BM", "BMP"),
    (8, b"WEBP", "WebP"), (8, b"AVI ", "video"), (8, b"WAVE", "sound"),
    (0, b"8BPS", "Photoshop file"), (0, b"gimp xcf", "GIMP file"), (0, b"AT&TFORM", "DjVu file"), (0, b"%!PS", "EPS"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"), (0, b"\xff\x0a", "JPEG XL"), (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"), (0, b"\0\0\1\0", "Windows icon"),
    (0, b"icns", "Mac icon"), (0, b"DDS ", "DDS"), (0, b"v/1\1", "OpenEXR"), (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"qoif", "QOI"), (0, b"BPG\xfb", "BPG"), (0, b"SIMPLE  =", "FITS"), (128, b"DICM", "DICOM"),
    (0, b"FUJIFILMCCD-RAW", RAW), (0, b"IIRO", RAW), (0, b"IIRS", RAW),
    (0, b"IIU\0", RAW), (0, b"FOVb", RAW), (0, b"\0MRM", RAW),
    (8, b"CR\2\0", RAW), (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"), (0, b"II+\0", "BigTIFF"),
    (0, b"MM\0+", "BigTIFF"), (0, b"\x1aE\xdf\xa3", "video"), (0, b"FLV\1", "video"), (0, b"\0\0\1\xba", "video"),
    (0, b"\0\0\1\xb3", "video"), (0, b"0&\xb2u\x8ef\xcf\x11", "video"), (0, b"OggS", "video or sound"), (0, b"ID3", "sound"),
    (0, b"fLaC", "sound"), (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office document"), (0, b"{\\rtf", "Office document"),
    (0, b"PK\3\4", ARCHIVE), (0, b"7z\xbc\xaf", ARCHIVE),
    (0, b"Rar!\x1a", ARCHIVE), (0, b"\x1f\x8b", ARCHIVE),
    (0, b"\xfd7zXZ", ARCHIVE), (0, b"BZh", ARCHIVE),
    (0, b"(\xb5/\xfd", ARCHIVE), (257, b"ustar", ARCHIVE),
    (0, b"MZ", "program"), (0, b"\x7fELF", "program"), (0, b"\x93NUMPY", "NumPy file"), (0, b"\x89HDF", "HDF5 file"),
    (0, b"\0\5\x16\7", "file of a Mac's own"), (0, b"L\0\0\0\1\x14\2\0", "Windows shortcut"),
    (0, b"version https://git-lfs", "pointer of Git LFS"),
]
BRANDS = {"AVIF": b"avif avis", RAW: b"crx ", "HEIC": b"heic heix hevc hevx heim heis hevm hevs mif1 msf1 heif"}
NAMED = {  # suffixes of what is not read, where its bytes do not tell
    "HEIC": "heic heif hif", "SVG": "svg svgz", "PDF": "pdf", "Illustrator file": "ai", "EPS": "eps ps",
    "Photoshop file": "psd psb", "GIMP file": "xcf", "JPEG XL": "jxl", "JPEG 2000": "jp2 j2k", "Windows icon": "ico cur",
    "Mac icon": "icns", "Targa": "tga", "PCX": "pcx", "DDS": "dds", "OpenEXR": "exr", "Radiance HDR": "hdr",
    "Netpbm": "ppm pgm pbm pnm pam", "Windows metafile": "wmf emf", "DICOM": "dcm", "NIfTI": "nii", "FITS": "fits fit",
    "DjVu file": "djvu", "Windows shortcut": "lnk",
    RAW: "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw raw x3f mrw rwl iiq 3fr erf kdc dcr mos",
    "video": "mp4 m4v mov avi mkv webm wmv flv mpg mpeg 3gp mts ogv", "sound": "mp3 wav flac ogg m4a aac",
    "Office document": "doc docx xls xlsx ppt pptx odt ods odp rtf pages numbers key",
    ARCHIVE: "zip 7z rar gz tgz xz bz2 tar zst", "program": "exe dll so dylib app apk",
}
SUFFIXES = {suffix: kind for kind, suffixes in NAMED.items() for suffix in suffixes.split()}
PICTURES = {
    "HEIC", "JPEG XL", "JPEG 2000", "Windows icon", "Mac icon", "Targa", "PCX", "DDS", "OpenEXR", "Radiance HDR", "Netpbm",
    "QOI", "BPG", "BigTIFF", "Photoshop file", "GIMP file", RAW, "DICOM", "FITS", "NIfTI",
}
DRAWINGS = {"SVG", "PDF", "EPS", "Illustrator file", "Office document", "DjVu file", "Windows metafile"}
# What lies beside pictures and says something of them, or of how they came to be: never read.
BESIDE = """
    txt md rst csv tsv json jsonl geojson ndjson xml yaml yml toml ini cfg conf log html htm xhtml xmp aae thm mat npy npz pkl
    pickle h5 hdf5 parquet feather arrow db sqlite py ipynb js css sh bat sha1 sha256 md5 sum pts lst list idx names data
    license url webloc torrent nfo bib tex safetensors onnx pt pth
"""
BESIDE_SUFFIXES = frozenset(BESIDE.split())
READ_AS = "png apng jpg jpeg jpe jfif jif pjpeg pjp webp gif bmp dib tif tiff avif avifs mpo"
PICTURE_SUFFIXES = frozenset(READ_AS.split())


def suffix(name: str) -> str:
    """The suffix of a file's name in small letters, without the dot."""
    dot = name.rfind(".")
    return name[dot + 1 :].lower() if dot > max(0, name.rfind("/") + 1, name.rfind("\\") + 1) else ""


def kind_of(raw: bytes, name: str = "") -> str:
    """What a file is: one of READ, a word for what is not read, "text", "empty", or "" where nothing tells."""
    if not raw:
        return "empty"
    named = SUFFIXES.get(suffix(name), "")
    if raw[4:8] == b"ftyp":
        brands = [raw[8:12], *(raw[at : at + 4] for at in range(16, min(len(raw), int.from_bytes(raw[:4], "big"), 256), 4))]
        known = [kind for kind, names in BRANDS.items() if any(brand in names.split() for brand in map(bytes.rstrip, brands))]
        return known[0] if known else "video"
    found = next((kind for at, magic, kind in MAGIC if raw.startswith(magic, at)), "")
    if found == "TIFF" and named == RAW:
        return named  # most are TIFF files whose first page is a stamp-sized picture
    if found == ARCHIVE and named in ("Office document", "SVG"):
        return named
    if found:
        return found
    head = raw[:2048].lower()
    if b"%pdf-" in head[:1024]:
        return "Illustrator file" if named == "Illustrator file" else "PDF"
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "web page"
    if b"<svg" in head:
        return "SVG"
    return named or ("text" if _is_text(raw[:2048]) else "")


def complaint(raw: bytes, name: str = "") -> str:
    """Why a file that could not be read is no picture here, and the way out: one sentence."""
    return refusal(kind_of(raw, name))


def refusal(kind: str) -> str:
    """What is said of a file of this kind, as of `kind_of`."""
    if kind in READ:
        return f"It is no intact picture, though {'an' if kind == 'AVIF' else 'a'} {kind} by its first bytes; save it again."
    if kind == "empty":
        return "It is empty, no intact picture; copy it again."
    if kind == "pointer of Git LFS":
        return "It is a pointer of Git LFS instead of the picture; fetch the pictures with git lfs pull."
    article = "an" if kind.startswith(("a", "A", "E", "I", "O", "SVG", "HDF5")) else "a"
    if kind in PICTURES:
        return f"It is {article} {kind}, which is not read here; save it as PNG or JPEG."
    if kind in DRAWINGS:
        return f"It is {article} {kind}, which is not read here; export it as PNG."
    if kind == "text":
        return "It is text, no intact picture."
    if kind == "web page":
        return "It is a web page, no intact picture; save the picture itself."
    if kind == "sound" or kind == "video or sound":
        return f"It is {kind}, no picture."
    if kind == "video":
        return "It is a video, which is not read here; save some of its pictures as PNG or JPEG."
    if kind == ARCHIVE:
        return "It is an archive within the archive; unpack it first."
    if kind:
        return f"It is {article} {kind}, no picture."
    return "This is no intact picture; save it again as PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF."


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", "ignore" if len(head) == 2048 else "strict")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t" for letter in text)
