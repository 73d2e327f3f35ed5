"""Prompts become things and materials, and every other word is accounted for."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.lexicon import (
    LONGEST_PROMPT,
    LONGEST_WORD,
    MOST,
    Placement,
    PromptTooLong,
    parse,
    tokens,
)
from wonderzoom.generation.embedded.things import KINDS, METRES, UPRIGHT, YAW
from wonderzoom.generation.embedded.vocabulary import (
    ADJECTIVE_MATERIALS,
    COLORS,
    EMOJI,
    KINDS_OF_WORDS,
    MATERIALS,
    WEATHERING,
)


def kinds(prompt: str) -> list[tuple[str, int]]:
    return [(placement.kind, placement.count) for placement in parse(prompt).things]


# ---- the tables agree with what exists ----------------------------------------------------------


def test_every_word_means_a_kind_or_a_ladder_that_exists() -> None:
    assert set(KINDS_OF_WORDS.values()) <= set(KINDS)
    assert set(EMOJI.values()) <= set(KINDS)
    assert (set(MATERIALS.values()) | set(ADJECTIVE_MATERIALS.values()) | WEATHERING) <= set(LADDERS.names)


def test_every_kind_has_a_word_a_size_and_a_stand() -> None:
    assert set(KINDS) == set(KINDS_OF_WORDS.values())
    assert set(METRES) == set(KINDS)
    assert UPRIGHT | set(YAW) <= set(KINDS)


# ---- what prompts mean --------------------------------------------------------------------------


def test_a_noun_is_placed_once_a_plural_three_times() -> None:
    assert kinds("a ladybug") == [("ladybug", 1)]
    assert kinds("Ladybugs") == [("ladybug", 3)]
    assert kinds("two ants, 5 bees and a dozen daisies") == [("ant", 2), ("bee", 5), ("daisy", 12)]


def test_what_follows_a_preposition_says_where_and_is_not_made() -> None:
    parsed = parse("a ladybug on a sunflower")
    assert kinds("a ladybug on a sunflower") == [("ladybug", 1)]
    assert parsed.locations == ("sunflower",) and parsed.ignored == ()


def test_a_second_thing_after_a_location_is_placed() -> None:
    assert kinds("a bee on a leaf and a spider") == [("bee", 1), ("spider", 1)]


def test_colors_and_sizes_belong_to_their_own_noun() -> None:
    beetle, mushroom = parse("a tiny blue beetle and a huge mushroom").things
    assert beetle.color == COLORS["blue"] and beetle.size < 1.0
    assert mushroom.color is None and mushroom.size > 1.0


def test_a_colour_after_the_noun_counts() -> None:
    assert parse("a beetle that is blue").things == (Placement("beetle", 1, COLORS["blue"]),)


def test_a_weathered_place_is_weathered_and_the_place_itself_is_not_made() -> None:
    parsed = parse("two red beetles on a mossy stone")
    assert parsed.materials == ("moss",) and parsed.locations == ("stone",)
    assert kinds("two red beetles on a mossy stone") == [("beetle", 2)]


def test_materials_alone_are_laid() -> None:
    assert parse("snow").materials == ("snow",)
    assert set(parse("rusty metal with moss").materials) == {"rust", "metal", "moss"}


def test_negated_words_are_not_made() -> None:
    parsed = parse("daisies without bees")
    assert kinds("daisies without bees") == [("daisy", 3)]
    assert parsed.excluded == ("bee",)


@pytest.mark.parametrize("zero", ["zero ants", "0 ants", "no ants"])
def test_none_of_a_kind_is_none(zero: str) -> None:
    parsed = parse(zero)
    assert parsed.things == () and parsed.excluded == ("ant",)


def test_compounds_emoji_and_accents_are_read() -> None:
    assert kinds("a lady-bird") == kinds("lady bug") == kinds("\U0001f41e") == [("ladybug", 1)]
    assert tokens("Caf\u00e9 dew drops") == ["cafe", "dewdrop"]


def test_a_stand_in_is_drawn_and_reported() -> None:
    parsed = parse("a wasp")
    assert parsed.things == (Placement("bee"),) and parsed.substituted == (("wasp", "bee"),)


# ---- honesty ------------------------------------------------------------------------------------


def test_what_has_no_structure_is_ignored_by_name() -> None:
    parsed = parse("a purple dragon near a castle")
    assert parsed.things == ()
    assert {"dragon", "purple", "castle"} <= set(parsed.ignored)


def test_a_thing_built_of_something_is_not_said_to_be() -> None:
    assert "wooden" in parse("a wooden house").ignored


def test_a_flood_of_words_is_refused_with_both_numbers() -> None:
    with pytest.raises(PromptTooLong, match=rf"{LONGEST_PROMPT + 1}.*{LONGEST_PROMPT}"):
        parse("a" * (LONGEST_PROMPT + 1))


@given(st.text(max_size=300))
def test_any_text_is_understood_as_far_as_possible(text: str) -> None:
    parsed = parse(text)
    assert all(1 <= placement.count <= MOST and placement.kind in KINDS for placement in parsed.things)
    assert set(parsed.materials) <= set(LADDERS.names)
    assert all(len(word) <= LONGEST_WORD for word in parsed.ignored)


@given(st.lists(st.text(string.ascii_lowercase, min_size=12, max_size=20), min_size=1, max_size=6))
def test_no_unknown_word_is_dropped_silently(words: list[str]) -> None:
    unknown = [word for word in words if parse(word).ignored == (word,)]
    assert set(unknown) <= set(parse(" ".join(words)).ignored)


@given(st.sampled_from(sorted(KINDS_OF_WORDS)), st.integers(1, MOST), st.sampled_from(sorted(COLORS)))
def test_number_colour_and_noun_make_exactly_that(word: str, count: int, color: str) -> None:
    parsed = parse(f"{count} {color} {word}")
    assert parsed.things == (Placement(KINDS_OF_WORDS[word], count, COLORS[color]),)
    assert parsed.ignored == ()
