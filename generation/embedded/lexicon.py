"""Prompt words to placed things and laid materials, and an honest account of everything else.

Owns: the vocabulary and the small grammar of prompts. Does not own: where things go or what they look like.

The grammar is deliberately small: a prompt is a row of noun phrases. Words before a noun (number, size, color)
belong to it; a phrase after a preposition says *where* and is not made; the last of several nouns in a row is
the one meant. Words without a meaning here are returned in ``ignored``: nothing is silently dropped, nothing
is faked. A near relative (a wasp drawn as a bee) is made but returned in ``substituted``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from wonderzoom.generation.embedded.shapes import (
    RGB,
)
from wonderzoom.generation.embedded.vocabulary import (
    ADJECTIVE_MATERIALS,
    COLLECTIVES,
    COLORS,
    COMPOUNDS,
    CONJUNCTIONS,
    DETERMINERS,
    EMOJI,
    FILLERS,
    GENERIC,
    IRREGULAR,
    KINDS_OF_WORDS,
    MATERIALS,
    NEGATIONS,
    NUMBERS,
    PREPOSITIONS,
    RELATIVES,
    SIZES,
    WEATHERING,
)  # fmt: skip

LONGEST_PROMPT = 2000  # characters: far beyond any sentence, near enough to bound the work
LONGEST_WORD = 40  # characters of a word in the account
MANY = 6  # things meant by "many", "a field of"
PLURAL = 3  # things meant by a bare plural
MOST = 12  # things placed for one noun: more would be specks

TOKEN = re.compile(r"[^\W\d_]+|\d+|[,.;:!?]|[^\w\s]")
PAUSES = frozenset(",.;:!?")
INVISIBLE = ("\ufe0f", "\u200d", "\u200b")  # emoji presentation marks and joiners


class PromptTooLong(ValueError):
    """The prompt has more characters than are read."""

    def __init__(self, length: int, limit: int = LONGEST_PROMPT) -> None:
        super().__init__(f"The prompt has {length} characters; at most {limit} are read.")
        self.length, self.limit = length, limit


@dataclass(frozen=True, slots=True)
class Placement:
    """``count`` things of one kind; ``size`` is relative to the usual size in a view."""

    kind: str
    count: int = 1
    color: RGB | None = None
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a prompt asks for, in its order of words."""

    things: tuple[Placement, ...] = ()
    materials: tuple[str, ...] = ()  # names of ladders to lay over the surface
    locations: tuple[str, ...] = ()  # words that say where; nothing is made of them
    excluded: tuple[str, ...] = ()  # words after "no", "without"
    substituted: tuple[tuple[str, str], ...] = ()  # (word, kind made instead)
    ignored: tuple[str, ...] = ()  # words without a structure, material or grammar here


@dataclass(slots=True)
class _Phrase:
    """The noun phrase being read."""

    count: int | None = None
    size: float = 1.0
    colors: list[str] = field(default_factory=list[str])
    materials: list[str] = field(default_factory=list[str])
    adjectives: list[str] = field(default_factory=list[str])
    # (word, kind, plural)
    nouns: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])

    @property
    def empty(self) -> bool:
        return not (self.nouns or self.colors or self.materials or self.adjectives)


def tokens(prompt: str) -> list[str]:
    """Lower-case words, numbers, pauses and single symbols; accents are folded, compounds joined."""
    text = unicodedata.normalize("NFKD", prompt)
    text = "".join(c for c in text if not unicodedata.combining(c) and c not in INVISIBLE).casefold()
    text = text.replace("'s ", " ").replace("\u2019s ", " ")
    found: list[str] = TOKEN.findall(text)
    joined: list[str] = []
    i = 0
    while i < len(found):
        step = 1
        for length in (3, 2):
            run = [w for w in found[i : i + length + 1] if w != "-"][:length]
            span = length + (1 if "-" in found[i : i + length] else 0)
            if len(run) == length and " ".join(run) in COMPOUNDS:
                joined.append(COMPOUNDS[" ".join(run)])
                step = span
                break
        else:
            joined.append(found[i])
        i += step
    return joined


def singular(word: str) -> tuple[str, bool]:
    """A noun's base form if the vocabulary knows it, and whether it was plural."""
    if word in KINDS_OF_WORDS or word in MATERIALS:
        return word, False
    if word in IRREGULAR:
        return IRREGULAR[word], True
    for ending, replacement in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending):
            base = word[: len(word) - len(ending)] + replacement
            if base in KINDS_OF_WORDS or base in MATERIALS:
                return base, True
    return word, False


class _Reader:
    def __init__(self) -> None:
        self.things: list[Placement] = []
        self.materials: list[str] = []
        self.locations: list[str] = []
        self.excluded: list[str] = []
        self.substituted: list[tuple[str, str]] = []
        self.ignored: list[str] = []
        self.phrase = _Phrase()
        self.role = "place"  # place | where | not
        self.copula = False

    def ignore(self, word: str) -> None:
        short = word if len(word) <= LONGEST_WORD else word[: LONGEST_WORD - 1] + "\u2026"
        if short not in self.ignored:
            self.ignored.append(short)

    def close(self, role: str = "place") -> None:
        """End the noun phrase and give it its meaning; the next one has the given role."""
        phrase, self.phrase = self.phrase, _Phrase()
        if phrase.nouns:
            self._noun(phrase)
        else:
            self._bare(phrase)
        self.role = role
        self.copula = False

    def _bare(self, phrase: _Phrase) -> None:
        """Words before a noun that never came."""
        for word in phrase.colors:
            if self.copula and self.things and self.things[-1].color is None:  # "a beetle that is blue"
                last = self.things[-1]
                self.things[-1] = Placement(last.kind, last.count, COLORS[word], last.size)
            else:
                self.ignore(word)
        for material in phrase.materials:
            if self.role == "where":
                self.locations.append(material)
            elif self.role == "not":
                self.excluded.append(material)
            elif material not in self.materials:
                self.materials.append(material)
        for word in phrase.adjectives:
            material = ADJECTIVE_MATERIALS[word]
            if material not in self.materials:
                self.materials.append(material)

    def _noun(self, phrase: _Phrase) -> None:
        word, kind, plural = phrase.nouns[-1]
        others = phrase.nouns[:-1]
        if (
            kind in GENERIC and others and others[-1][1] in GENERIC[kind]
        ):  # "poppy flower": the specific one is meant
            (word, kind, _), others = others[-1], others[:-1]
        weathered = [
            ADJECTIVE_MATERIALS[w] for w in phrase.adjectives if ADJECTIVE_MATERIALS[w] in WEATHERING
        ]  # fmt: skip
        if self.role != "not":  # a mossy stone is asked for, or stands there: moss is laid
            self.materials += [m for m in dict.fromkeys(weathered) if m not in self.materials]
        if self.role == "where":
            self.locations += [w for w, _, _ in others] + [word]
            return
        if self.role == "not":
            self.excluded += [w for w, _, _ in others] + [word]
            return
        for other, same, _ in others:
            if same != kind:
                self.ignore(other)
        for adjective in phrase.adjectives:  # a wooden house is not built of wood here
            if ADJECTIVE_MATERIALS[adjective] not in WEATHERING:
                self.ignore(adjective)
        for (
            material
        ) in phrase.materials:  # "moss and a frog" closes the moss first; "stone frog" does not make stone
            self.ignore(material)
        for extra in phrase.colors[1:]:
            self.ignore(extra)
        if word in RELATIVES:
            self.substituted.append((word, kind))
        count = phrase.count if phrase.count is not None else (PLURAL if plural else 1)
        color = COLORS[phrase.colors[0]] if phrase.colors else None
        if count > 0:
            self.things.append(Placement(kind, min(count, MOST), color, phrase.size))
        else:
            self.excluded.append(word)

    def read(self, words: list[str]) -> Parsed:
        for i, raw in enumerate(words):
            word, plural = singular(raw)
            following = words[i + 1] if i + 1 < len(words) else ""
            noun_done = bool(self.phrase.nouns)
            if raw in EMOJI:
                self.close(self.role)
                self.phrase.nouns.append((raw, EMOJI[raw], False))
                self.close(self.role)
            elif raw in PAUSES:
                self.close()
            elif word in KINDS_OF_WORDS:
                if self.phrase.nouns and self.phrase.nouns[-1][2]:  # after a plural a new phrase begins
                    self.close()
                self.phrase.nouns.append((word, KINDS_OF_WORDS[word], plural))
            elif raw in PREPOSITIONS:
                self.close("where")
            elif raw in NEGATIONS:
                self.close("not")
            elif raw == "of":
                self._of()
            elif raw in CONJUNCTIONS:
                self._conjunction(raw, following)
            elif raw in DETERMINERS or raw in NUMBERS or raw.isdecimal():
                if not self.phrase.empty:
                    self.close()
                self._number(raw)
            elif raw in COLORS:
                if noun_done:
                    self.close()
                if raw not in self.phrase.colors:
                    self.phrase.colors.append(raw)
            elif raw in SIZES:
                if noun_done:
                    self.close()
                self.phrase.size = SIZES[raw]
            elif raw in ADJECTIVE_MATERIALS:
                if noun_done:
                    self.close()
                self.phrase.adjectives.append(raw)
            elif word in MATERIALS:
                if noun_done:
                    self.close()
                self.phrase.materials.append(MATERIALS[word])
            elif raw in COLLECTIVES:
                if not self.phrase.nouns:
                    self.phrase.count = MANY
                else:  # "sunflower field"
                    self.phrase.count = self.phrase.count or MANY
            elif raw in FILLERS:
                self._filler(raw)
            elif raw.isalnum():
                if noun_done:
                    self.close()
                self.ignore(raw)
            elif raw != "-" and unicodedata.category(raw[0]) in ("So", "Sk"):  # an emoji without a structure
                self.ignore(raw)
        self.close()
        return Parsed(
            tuple(self.things), tuple(self.materials), tuple(self.locations), tuple(self.excluded),
            tuple(self.substituted), tuple(self.ignored),
        )  # fmt: skip

    def _of(self) -> None:
        if self.phrase.nouns:  # "the shell of a snail": the second noun says whose
            self.close("where")
        elif not self.phrase.empty:
            self.close(self.role)

    def _conjunction(self, word: str, following: str) -> None:
        if not self.phrase.nouns and self.phrase.colors and following in COLORS:  # "red and black beetle"
            return
        # "on a leaf and stone" goes on saying where; "on a leaf and a bee" places a bee; "with" places.
        begins = following in DETERMINERS or following in NUMBERS or following.isdecimal()
        goes_on = word != "with" and not begins
        keeps = self.role if goes_on and self.role != "place" else "place"
        self.close(keeps)

    def _number(self, word: str) -> None:
        if word in NUMBERS:
            self.phrase.count = NUMBERS[word]
        elif word.isdecimal():
            value = int(word) if len(word) < 9 else MOST + 1
            if value > MOST:
                self.ignore(word)
            self.phrase.count = min(value, MOST + 1)

    def _filler(self, word: str) -> None:
        if word in ("is", "are", "colored", "coloured", "painted"):
            self.close()
            self.copula = True
        elif self.phrase.nouns:
            self.close()


def parse(prompt: str) -> Parsed:
    """Read a prompt. Raises PromptTooLong; any other text is understood as far as possible."""
    if len(prompt) > LONGEST_PROMPT:
        raise PromptTooLong(len(prompt))
    return _Reader().read(tokens(prompt))
