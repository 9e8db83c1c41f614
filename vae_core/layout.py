"""What the folders of pictures say: which of them name a split, which level of the others names the classes.

Folders that are called train, val, test and the like, side by side, are a split and name no class. Of the levels that are left,
a level counts where its folders differ. Classes are named by the first level of words; folders that are numbers name classes
where there is nothing better (0 to 9 do), dates come after plain numbers, and sizes (32x32, 64px, @2x) name no classes unless
somebody asks for them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vae_core.archive import parts, short
from vae_core.errors import BadInput

MAX_CLASSES = 500
NO_FOLDER = "(no folder)"
SHOWN = 4  # examples of folders
ROLES = {
    "train": "train training trainset trainingset learn learning fit entrainement apprentissage entrenamiento treino trening "
    "addestramento обучение 训练",
    "val": "val valid validate validation validierung validacion dev devel development tune tuning valset validset "
    "validationset devset 验证",
    "test": "test tests testing testset testingset eval evaluate evaluation evalset holdout heldout hold unseen prueba pruebas "
    "teste тест 测试",
}
ROLE_OF = {word: role for role, words in ROLES.items() for word in words.split()}
FILLERS = """
    set sets data dataset image images img imgs picture pictures pics photo photos jpg jpeg png split splits sample samples out
    seg small large full crop cropped resized raw new final
"""
ICON_SIDES = """
    8 12 14 16 18 20 22 24 28 32 36 40 42 48 56 64 72 80 96 100 112 120 128 144 150 160 180 192 200 224 256 300 320 384 400 480
    500 512 600 640 720 768 800 1000 1024 1080 2048
"""
SIZE = re.compile(
    r"(.*[\W_])?(\d+ ?[x×] ?\d+(@\d(\.\d)?x)?|\d+ ?(px|pt|dp|pixels?)|@?\d(\.\d+)?x|(l|m|h|tv|x{1,3}h)dpi)|.*@\d(\.\d+)?x"
    r"|(x?small|medium|x?large|tiny|huge|big|little|thumbs?|thumbnails?|originals?|fullsize|full|hires|lowres|scalable)",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\W*((fold|part|batch|page|session|scan|frame|no|nr)[\W_]*)?\d+([\W_]+\d+)*\W*", re.IGNORECASE)
DATE = re.compile(r"(19|20)\d\d([\W_]?\d\d){0,2}")
GLUED = re.compile(r"(train|training|val|valid|validation|test|testing)(data|dataset|images?|imgs?|pics|photos)")
WORDS, NUMBERS, DATES, SIZES = range(4)
MEANT = ("words", "numbers", "dates", "sizes")


class Level(NamedTuple):
    """A level of folders at which they differ: how many, the first of them made fit to show, and what they look like."""

    folders: int
    examples: tuple[str, ...]
    looks: str  # one of MEANT


@dataclass(frozen=True)
class Layout:
    """The folders of some pictures, by the pictures' names."""

    levels: tuple[Level, ...]  # from the top, split folders left out
    default: int  # which of them, counted from 1, names the classes; 0 none
    asked: bool  # whether a person should say which, because it is not plain
    split: dict[str, str]  # the split's folder, as it is called, of each picture that lies in one
    roles: dict[str, str]  # of each such folder: train, val, test, or "" where it is only beside them
    names: dict[str, tuple[str, ...]]  # of each picture, its folder at each of the levels; "" where it lies above

    @property
    def has_split(self) -> bool:
        """Whether there is something to train on and something to test on."""
        return bool(self.tests) and any(self.split.get(name) not in self.tests for name in self.names)

    @property
    def tests(self) -> tuple[str, ...]:
        """The folders of the split that are to test on: test, or val where there is no test."""
        wanted = "test" if "test" in self.roles.values() else "val"
        return tuple(sorted(folder for folder, role in self.roles.items() if role == wanted))

    def classes(self, level: int, names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
        """Names of classes by the folders of a level, counted from 1, or 0: none; and the class of each of these pictures."""
        found = {name: self.names[name][level - 1] if level else "" for name in names}
        raw = sorted(set(found.values()))
        if len(raw) < 2:
            return (), dict.fromkeys(names, 0)
        if len(raw) > MAX_CLASSES:
            raise BadInput(
                f"There are {len(raw):,} folders of pictures, and at most {MAX_CLASSES} classes are kept; choose another level "
                "of folders, or 0 for no classes."
            )
        titles: list[str] = []
        for folder in raw:
            title = short(folder) if folder else NO_FOLDER
            choice = (title, *(f"{title} ({n})" for n in range(2, len(raw) + 2)))
            titles.append(next(one for one in choice if one not in titles))
        index = {folder: label for label, folder in enumerate(raw)}
        return tuple(titles), {name: index[folder] for name, folder in found.items()}

    def checked(self, level: int | None) -> int:
        """The level that names the classes, by default the most sensible. Raises BadInput where there is no such level."""
        if level is None:
            return self.default
        if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= len(self.levels):
            many = f"levels 1 to {len(self.levels)}" if len(self.levels) > 1 else "level 1" if self.levels else "none"
            raise BadInput(f"There is no level {level} of folders that differ, only {many}; 0 is for no classes.")
        return level

    def sentences(self, level: int) -> list[str]:
        """Which level names the classes and which do not, where there is a choice."""
        if len(self.levels) < 2 and not self.asked:
            return []
        told = [f"level {at}: {_listed(one.examples, one.folders)}" for at, one in enumerate(self.levels, 1)]
        here = f"Classes are named by the folders of level {level}" if level else "No level of folders names classes"
        return [f"{here} ({'; '.join(told)})."]


def layout(names: Sequence[str]) -> Layout:
    """The layout of the folders in the names of pictures."""
    folders = {name: tuple(parts(name)[:-1]) for name in names}
    splits = _split_folders(set(folders.values()))
    split, left = {}, {}
    for name, folder in folders.items():
        marks = [folder[depth] for depth in range(len(folder)) if folder[: depth + 1] in splits]
        if marks:
            split[name] = marks[0]
        left[name] = tuple(part for depth, part in enumerate(folder) if folder[: depth + 1] not in splits)
    depth = max(map(len, left.values()), default=0)
    columns = [Counter(folder[at] for folder in left.values() if at < len(folder)) for at in range(depth)]
    used = [at for at in range(depth) if len(columns[at]) > 1]
    if not used:  # one folder, and pictures beside it
        used = [at for at in range(depth) if sum(columns[at].values()) < len(left)][:1]
    looks = [_looks(list(columns[at])) for at in used]
    examples = [tuple(map(short, _first(columns[at]))) for at in used]
    counts, meant = [len(columns[at]) for at in used], [MEANT[look] for look in looks]
    levels = tuple(map(Level, counts, examples, meant))
    best = min(looks, default=SIZES)
    default = looks.index(best) + 1 if best < SIZES else 0
    asked = SIZES in looks or (len(looks) > 1 and any(look != WORDS for look in looks))
    named = {name: tuple(folder[at] if at < len(folder) else "" for at in used) for name, folder in left.items()}
    roles = {path[-1]: role for path, role in splits.items() if path[-1] in split.values()}
    return Layout(levels, default, asked, split, roles, named)


def _split_folders(folders: set[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The folders, as paths, that are a split's, and their roles: those beside each other of which one is to train and one to
    test or validate on, or that all have names of splits; and once there is a split, such folders that are alone."""
    beside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for folder in folders:
        for depth in range(len(folder)):
            beside[folder[:depth]].add(folder[depth])
    found: dict[tuple[str, ...], str] = {}
    for above, names in beside.items():
        roles = _roles(names)
        known = set(roles.values())
        if len(known) > 1 and ("train" in known or len(roles) == len(names)):
            most = 2 * len(roles) >= len(names)  # train, test, unlabelled: the third is no class
            found |= {(*above, name): roles.get(name, "") for name in names if name in roles or most}
    called = {path[-1]: role for path, role in found.items()}
    for above, names in beside.items():
        if found and len(names) == 1 and (*above, *names) not in found:
            (name,) = names
            role = called.get(name, _roles(names).get(name))
            found |= {} if role is None else {(*above, name): role}
    return found


def _roles(names: set[str]) -> dict[str, str]:
    """The role of each of the names, side by side, that has one; words that all of them have say nothing."""
    words = {name: _words(name) for name in names}
    common = set.intersection(*map(set, words.values())) if len(names) > 1 else set()
    found = {name: _role_of([word for word in own if word not in common]) for name, own in words.items()}
    return {name: role for name, role in found.items() if role}


def _words(name: str) -> list[str]:
    """Words in small letters; digits and signs part them."""
    return re.findall(r"[^\W\d_]+", name.lower().replace("é", "e").replace("î", "i").replace("ó", "o"))


def _role_of(words: list[str]) -> str | None:
    """train, val or test where the words say this and nothing else."""
    told = [word for word in words if word not in FILLERS.split()]
    roles = {ROLE_OF[word] for word in told if word in ROLE_OF}
    if len(roles) == 1 and all(word in ROLE_OF for word in told):
        return roles.pop()
    glued = GLUED.fullmatch("".join(words))
    return ROLE_OF[glued[1]] if glued else None


def _looks(names: list[str]) -> int:
    """What most of the folders of a level look like."""
    if set(names) <= set(ICON_SIDES.split()):
        return SIZES
    fits = [(SIZES, SIZE), (DATES, DATE), (NUMBERS, NUMBER)]
    found = [next((look for look, pattern in fits if pattern.fullmatch(name.strip())), WORDS) for name in names]
    if SIZES in found and all(look != WORDS for look in found):
        return SIZES  # 32 beside 64px is a size, too
    look, count = Counter(found).most_common(1)[0]
    return look if count > len(names) / 2 else WORDS


def _first(folders: Counter[str]) -> list[str]:
    return sorted(folders, key=lambda name: (len(name), name) if name.isdecimal() else (0, name))[:SHOWN]


def _listed(examples: tuple[str, ...], of: int) -> str:
    return ", ".join(examples) + (f" and {of - len(examples):,} more" if of > len(examples) else "")
