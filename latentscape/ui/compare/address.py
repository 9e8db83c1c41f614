"""Compare's address: the section that is open, the data set, and how draws are made.

    /compare?draws=4000&seed=7
    /compare?data=fashion-mnist&section=priors&decoder=fashion-2d
"""

from collections.abc import Mapping

from latentscape.ui.address import Word, of_choice, of_setting, of_widget
from latentscape.ui.compare.rows import COUNT, SEED, SOURCE, word_of


def words(sections: Mapping[str, str], sets: dict[str, list[str]], decoders: list[str]) -> list[Word]:
    """sections: word -> title; sets as `rows.data_sets` finds them; decoders that the lab offers, its usual one first."""
    first = next(iter(sets))
    named = {word_of(digest, names): digest for digest, names in sets.items()}
    lab = dict(zip(decoders, decoders, strict=True))
    return [
        of_choice("section", "compare_section", sections, next(iter(sections.values()))),
        of_choice("data", "compare_data", named, first),
        of_widget("decoder", "compare_decoder", lab.get, default=decoders[0] if decoders else None),
        *(of_setting(each, key, each.default) for key, each in SETTINGS.items()),
    ]


SETTINGS = {"compare_count": COUNT, "compare_seed": SEED, "compare_source": SOURCE}
