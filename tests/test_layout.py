"""What folders say: which are a split, which level names the classes, and when a person is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_folder import QUIET, all_images, one, picture, zipped

from vae_core.errors import BadInput
from vae_core.folder import read_pictures
from vae_core.layout import MEANT, layout

SPLITS = [
    ("train", "val", "test"), ("Train", "Test"), ("TRAINING", "TESTING"), ("training", "validation"), ("train", "valid"),
    ("train", "dev", "test"), ("train", "eval"), ("train", "holdout"), ("train", "hold-out"), ("training_set", "test_set"),
    ("trainset", "testset"), ("train2017", "val2017"), ("seg_train", "seg_test", "seg_pred"), ("asl_train", "asl_test"),
    ("train_images", "test_images"), ("trainImages", "testImages"), ("1 train", "2 validation", "3 test"), ("val", "test"),
    ("Train Data", "Test Data"), ("train", "test", "unlabelled"), ("训练", "测试"),
]
WHERE = {
    "in a folder": "pets/{split}/{kind}/{i}.png", "alone": "{split}/{kind}/{i}.png", "deep": "a/b/{split}/{kind}/{i}.png",
    "below the class": "{kind}/{split}/{i}.png", "below both": "pets/{kind}/{split}/{i}.png",
    "twice": "{split}/{split}/{kind}/{i}.png",
    "with a folder of pictures": "pets/{split}/images/{kind}/{i}.png",
}


def names(pattern: str, splits=("",), kinds=("cat", "dog")) -> list[str]:
    chosen = [(split, kind, i) for split in splits for kind in kinds for i in range(3)]
    return [pattern.format(split=split, kind=kind, i=f"{split}{kind}{i}") for split, kind, i in chosen]


def classes(found: list[str], level: int | None = None) -> tuple[str, ...]:
    told = layout(found)
    return told.classes(told.checked(level), found)[0]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("splits", SPLITS, ids="-".join)
def test_a_split_names_no_classes_wherever_it_is(splits, where):
    found = layout(names(WHERE[where], splits))
    assert classes(list(found.names)) == ("cat", "dog")
    assert found.has_split
    assert not found.asked
    assert set(found.split.values()) == set(splits)
    assert set(found.tests) < set(splits)


@pytest.mark.parametrize("splits", SPLITS, ids="-".join)
def test_a_split_of_flat_pictures_has_no_classes(splits):
    found = layout(names("x/{split}/{i}.png", splits, kinds=("",)))
    assert classes(list(found.names)) == ()
    assert found.has_split


@pytest.mark.parametrize(
    ("kinds", "why"),
    [(("train", "car", "plane"), "a vehicle"), (("valid", "broken"), "a verdict"), (("test", "control"), "a trial"),
     (("training", "match"), "sport")],
)
def test_a_name_of_a_split_among_others_is_a_class(kinds, why):
    found = layout(names("{kind}/{i}.png", kinds=kinds))
    assert classes(list(found.names)) == tuple(sorted(kinds))
    assert not found.has_split


def test_one_class_without_test_pictures_keeps_its_split():
    found = names("{kind}/{split}/{i}.png", ("train", "test")) + names("bird/train/{i}.png", kinds=("",))
    assert classes(found) == ("bird", "cat", "dog")
    assert layout(found).split[found[-1]] == "train"


@pytest.mark.parametrize("tests", [("test",), ("val",), ("val", "test")])
def test_their_own_split_is_kept_where_asked_and_the_seeded_one_is_the_default(tests):
    sides = {"train": range(20), **{name: range(30 + 10 * at, 34 + 10 * at) for at, name in enumerate(tests)}}
    files = {
        f"pets/{side}/{kind}/{i}.png": picture(i + 100 * (kind == "dog"))
        for side, numbers in sides.items() for kind in ("cat", "dog") for i in numbers
    }
    source = zipped(files)
    seeded, report = read_pictures(source, 8)
    assert len(seeded.test_images) == round(len(files) / 6)
    assert set(report.own_split) == set(sides)
    assert any("split of their own" in sentence for sentence in report.sentences())
    own, report = read_pictures(source, 8, split="own")
    assert own.classes == seeded.classes == ("cat", "dog")
    expected = {one(raw).transpose(2, 0, 1).tobytes() for name, raw in files.items() if f"/{tests[-1]}/" in name}
    assert {image.numpy().tobytes() for image in own.test_images} == expected
    assert len(own.test_images) == 8
    assert len(all_images(own)) == len(files)
    assert any(f"8 of {tests[-1]} to test on" in sentence and "40 of train" in sentence for sentence in report.sentences())


def test_a_copy_that_lies_on_both_sides_of_their_own_split_is_tested_on():
    files = {f"train/{i}.png": picture(i) for i in range(9)} | {f"test/{i}.png": picture(i) for i in range(3)}
    images, report = read_pictures(zipped(files), 8, split="own")
    assert (len(images.test_images), len(images.train_images), report.duplicates) == (3, 6, 3)


def test_a_split_that_is_not_there_or_has_an_empty_side_is_refused():
    with pytest.raises(BadInput, match="no split of its own"):
        read_pictures(zipped({f"{kind}/{i}.png": picture(i + ord(kind)) for kind in "ab" for i in range(4)}), split="own")
    with pytest.raises(BadInput, match="choose the seeded one"):
        read_pictures(zipped({f"train/{i}.png": picture(i) for i in range(6)} | {"test/x.png": b"no"}), split="own")
    with pytest.raises(BadInput, match="no split called"):
        read_pictures(zipped({}), split="halves")


# Levels.

SIZES = [("32x32", "64x64"), ("16", "32", "64"), ("64px", "128px"), ("@1x", "@2x", "@3x"), ("icons@2x", "icons@3x"),
         ("hdpi", "xhdpi", "mdpi"), ("drawable-hdpi", "drawable-xhdpi"), ("small", "medium", "large"), ("32", "64px"),
         ("256×256", "512×512"), ("1x", "2x"), ("thumbnails", "originals"), ("16x16@2x", "32x32"),
         ("32x32", "scalable")]
NUMBERS = [("001", "002", "003"), ("2019", "2020"), ("1", "2", "10"), ("fold_1", "fold_2"), ("2020-05-01", "2020-06-01")]


@pytest.mark.parametrize("level", [*SIZES, *NUMBERS], ids="-".join)
@pytest.mark.parametrize("pattern", ["{split}/{kind}/{i}.png", "{kind}/{split}/{i}.png", "top/{split}/x/{kind}/{i}.png"])
def test_beside_sizes_and_numbers_words_name_the_classes_and_a_person_is_asked(level, pattern):
    found = names(pattern, level)
    told = layout(found)
    assert told.asked
    assert classes(found) == ("cat", "dog")
    assert len(told.levels) == 2
    other = 3 - told.default
    assert classes(found, other) == tuple(sorted(level))
    assert classes(found, 0) == ()
    assert any("cat, dog" in sentence for sentence in told.sentences(told.default))


@pytest.mark.parametrize("level", SIZES, ids="-".join)
def test_sizes_alone_name_no_classes_unless_asked_for(level):
    found = names("icons/{split}/{i}.png", level, kinds=("",))
    told = layout(found)
    assert (told.asked, told.default, told.levels[0].looks) == (True, 0, "sizes")
    assert classes(found) == ()
    assert classes(found, 1) == tuple(sorted(level))


@pytest.mark.parametrize("digits", ["0123456789", ["00", "01", "02"], ["1", "7"], ["2019", "2020"]])
def test_numbers_alone_are_classes_and_nobody_is_asked(digits):
    for pattern in ("{split}/{i}.png", "mnist/{kind}/{split}/{i}.png"):
        found = names(pattern, tuple(digits), kinds=("training", "testing") if "{kind}" in pattern else ("",))
        told = layout(found)
        assert not told.asked
        assert classes(found) == tuple(digits)
        assert told.sentences(told.default) == []


def test_plain_numbers_name_classes_rather_than_years_or_sizes():
    for other in (("2019", "2020"), ("28x28", "56x56")):
        assert classes(names("{split}/{kind}/{i}.png", other, tuple("0123456789"))) == tuple("0123456789")


def test_a_cover_beside_the_folders_takes_no_class_from_them():
    assert classes(["cover.png", *names("pets/{kind}/{i}.png")]) == ("(no folder)", "cat", "dog")


def test_levels_that_are_not_there_are_refused():
    found = layout(names("{kind}/{i}.png"))
    assert [found.checked(level) for level in (None, 0, 1)] == [1, 0, 1]
    for level in (2, -1, True, 1.0):
        with pytest.raises(BadInput, match="no level"):
            found.checked(level)
    files = {name: picture(i) for i, name in enumerate(names("{split}/{kind}/{i}.png", ("32x32", "64x64")))}
    images, report = read_pictures(zipped(files), 8, class_level=1)
    assert images.classes == ("32x32", "64x64")
    assert (report.level, report.usual, report.asked) == (1, 2, True)


@given(st.lists(st.text(st.sampled_from("tr/ain es12\\x.@0")), min_size=1, max_size=8, unique=True))
@QUIET
def test_any_names_have_a_layout(found):
    told = layout(found)
    assert set(told.names) == set(found)
    assert all(level.looks in MEANT for level in told.levels)
    for level in range(len(told.levels) + 1):
        titles, index = told.classes(level, found)
        assert len(set(titles)) == len(titles)
        assert max(index.values()) < max(1, len(titles))
