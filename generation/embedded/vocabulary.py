"""The words of prompts, as tables. What they mean together is ``lexicon``'s business."""

from __future__ import annotations

from wonderzoom.generation.embedded.shapes import (
    RGB,
)


def _table(lines: dict[str, str]) -> dict[str, str]:
    return {word: name for name, words in lines.items() for word in words.split()}


# Kind -> words that mean it.
_EXACT = {
    "ladybug": "ladybug ladybird ladybeetle", "beetle": "beetle scarab chafer bug insect", "ant": "ant",
    "bee": "bee bumblebee honeybee", "butterfly": "butterfly monarch", "spider": "spider arachnid",
    "caterpillar": "caterpillar larva grub", "sunflower": "sunflower", "daisy": "daisy chamomile marguerite",
    "poppy": "poppy flower blossom bloom", "tulip": "tulip", "mushroom": "mushroom toadstool fungus",
    "leaf": "leaf", "fern": "fern frond", "berry": "berry strawberry", "acorn": "acorn",
    "tree": "tree oak maple beech elm", "pine": "pine fir spruce conifer", "grass": "grasstuft",
    "cactus": "cactus", "bird": "bird robin", "fish": "fish clownfish", "snail": "snail",
    "shell": "shell seashell conch", "starfish": "starfish seastar", "frog": "frog", "lizard": "lizard gecko",
    "egg": "egg nest", "feather": "feather plume", "pebble": "pebble stone rock boulder",
    "dewdrop": "dew dewdrop droplet drop raindrop waterdrop", "gem": "gem crystal quartz amethyst",
    "diamond": "diamond brilliant", "coin": "coin penny medal", "key": "key",
    "house": "house cottage cabin hut home",
}  # fmt: skip
# Kind -> words for near relatives that are drawn as it, and reported.
_NEAR = {
    "beetle": "weevil cockroach cricket", "ant": "termite", "bee": "wasp hornet", "butterfly": "moth",
    "spider": "tarantula", "caterpillar": "worm", "daisy": "aster", "poppy": "anemone", "berry": "raspberry",
    "acorn": "nut hazelnut", "tree": "birch", "bird": "sparrow finch wren", "fish": "goldfish",
    "snail": "slug", "frog": "toad", "lizard": "salamander newt chameleon",
    "gem": "jewel ruby sapphire emerald", "house": "building barn",
}  # fmt: skip
RELATIVES: frozenset[str] = frozenset(_table(_NEAR))
KINDS_OF_WORDS: dict[str, str] = {**_table(_EXACT), **_table(_NEAR)}

# Kind named by a general word -> kinds that a word before it makes precise ("poppy flower", "pine tree").
GENERIC: dict[str, frozenset[str]] = {
    "poppy": frozenset({"daisy", "sunflower", "tulip", "poppy"}), "tree": frozenset({"tree", "pine"}),
    "bird": frozenset({"bird"}), "beetle": frozenset({"ladybug", "beetle", "ant", "bee", "butterfly"}),
    "pebble": frozenset({"pebble"}), "fish": frozenset({"fish"}), "gem": frozenset({"gem", "diamond"}),
    "egg": frozenset({"egg"}), "leaf": frozenset({"fern", "leaf"}),
}  # fmt: skip

EMOJI: dict[str, str] = {
    "\U0001f41e": "ladybug", "\U0001fab2": "beetle", "\U0001f41c": "ant", "\U0001f41d": "bee",
    "\U0001f98b": "butterfly", "\U0001f577": "spider", "\U0001f40c": "snail", "\U0001f41b": "caterpillar",
    "\U0001f33b": "sunflower", "\U0001f33c": "daisy", "\U0001f337": "tulip", "\U0001f344": "mushroom",
    "\U0001f343": "leaf", "\U0001f342": "leaf", "\U0001f341": "leaf", "\U0001f353": "berry",
    "\U0001f333": "tree", "\U0001f332": "pine", "\U0001f335": "cactus", "\U0001f426": "bird",
    "\U0001f41f": "fish", "\U0001f420": "fish", "\U0001f41a": "shell", "\U0001f438": "frog",
    "\U0001f98e": "lizard", "\U0001f95a": "egg", "\U0001fab6": "feather", "\U0001faa8": "pebble",
    "\U0001f4a7": "dewdrop", "\U0001f48e": "diamond", "\U0001fa99": "coin", "\U0001f511": "key",
    "\U0001f3e0": "house", "\U0001f3e1": "house",
}  # fmt: skip

# Words of two or three parts, joined before anything else is read.
COMPOUNDS: dict[str, str] = {
    "lady bug": "ladybug", "lady bird": "ladybird", "lady beetle": "ladybug", "bumble bee": "bumblebee",
    "honey bee": "honeybee", "sun flower": "sunflower", "dew drop": "dewdrop", "dew drops": "dewdrop",
    "water drop": "waterdrop", "water drops": "droplets", "drop of water": "waterdrop",
    "drops of water": "droplets", "rain drop": "raindrop", "rain drops": "raindrops",
    "water droplet": "droplet", "water droplets": "droplets", "sea shell": "seashell",
    "sea shells": "seashells", "star fish": "starfish", "sea star": "seastar", "sea stars": "starfish",
    "clown fish": "clownfish", "gold fish": "goldfish", "grass tuft": "grasstuft",
    "tuft of grass": "grasstuft", "tufts of grass": "grasstufts", "blades of grass": "grasstuft",
    "toad stool": "toadstool", "fly agaric": "toadstool", "close up": "closeup", "next to": "beside",
    "on top": "on", "in front": "before", "a few": "few", "a couple": "couple", "a lot": "many",
    "lots of": "many", "bird nest": "nest", "light blue": "azure", "dark blue": "navy", "dark green": "olive",
    "light green": "lime", "dark red": "crimson",
}  # fmt: skip

IRREGULAR: dict[str, str] = {
    "leaves": "leaf", "fungi": "fungus", "larvae": "larva", "cacti": "cactus", "pennies": "penny",
    "clovers": "clover", "berries": "berry", "butterflies": "butterfly", "daisies": "daisy",
    "poppies": "poppy", "ladies": "lady",
}  # fmt: skip

# Material (a ladder's name) -> nouns; and adjectives that say a surface is like it.
MATERIALS: dict[str, str] = _table(
    {
        "moss": "moss lichen", "rust": "rust corrosion", "frost": "frost ice hoarfrost", "cracked": "crack",
        "sand": "sand", "snow": "snow", "grass": "grass lawn meadow turf", "bark": "bark",
        "wood": "wood timber plank", "fur": "fur hair wool", "fabric": "fabric cloth textile linen denim",
        "skin": "skin", "metal": "metal steel iron", "rock": "granite gravel", "petal": "petal",
        "foliage": "foliage ivy bush hedge", "soil": "soil mud dirt earth", "water": "water",
        "plaster": "plaster concrete wall",
    },
)  # fmt: skip
ADJECTIVE_MATERIALS: dict[str, str] = _table(
    {
        "moss": "mossy", "rust": "rusty rusted corroded", "frost": "frosty frozen icy frosted",
        "cracked": "cracked dry parched", "sand": "sandy", "snow": "snowy", "grass": "grassy",
        "wood": "wooden", "fur": "furry hairy fluffy", "fabric": "woven", "metal": "metallic",
        "rock": "rocky", "soil": "muddy earthy", "water": "wet",
    },
)  # fmt: skip
# Materials that lie on things, as opposed to what things are built of.
WEATHERING: frozenset[str] = frozenset(
    {"moss", "rust", "frost", "cracked", "sand", "snow", "grass", "rock", "soil", "water"},
)  # fmt: skip

# Linear RGB.
COLORS: dict[str, RGB] = {
    "red": (0.56, 0.018, 0.008), "scarlet": (0.62, 0.035, 0.008), "crimson": (0.36, 0.008, 0.016),
    "orange": (0.82, 0.24, 0.012), "yellow": (0.88, 0.58, 0.02), "golden": (0.85, 0.56, 0.10),
    "gold": (0.85, 0.56, 0.10), "green": (0.09, 0.36, 0.04), "lime": (0.34, 0.66, 0.05),
    "olive": (0.10, 0.13, 0.02), "turquoise": (0.05, 0.46, 0.42), "teal": (0.02, 0.22, 0.22),
    "cyan": (0.05, 0.55, 0.62), "azure": (0.16, 0.42, 0.78), "blue": (0.03, 0.12, 0.60),
    "navy": (0.01, 0.025, 0.16), "purple": (0.26, 0.04, 0.42), "violet": (0.26, 0.05, 0.52),
    "magenta": (0.58, 0.03, 0.36), "pink": (0.84, 0.28, 0.42), "white": (0.84, 0.84, 0.81),
    "silver": (0.66, 0.67, 0.69), "grey": (0.26, 0.26, 0.26), "gray": (0.26, 0.26, 0.26),
    "black": (0.018, 0.018, 0.020), "brown": (0.22, 0.11, 0.045), "beige": (0.62, 0.50, 0.34),
}  # fmt: skip

SIZES: dict[str, float] = {
    "microscopic": 0.2, "minuscule": 0.25, "tiny": 0.35, "wee": 0.4, "little": 0.6, "small": 0.6, "big": 1.5,
    "large": 1.5, "tall": 1.4, "great": 1.7, "huge": 2.2, "giant": 2.2, "enormous": 2.4, "gigantic": 2.4,
    "massive": 2.4,
}  # fmt: skip

NUMBERS: dict[str, int] = {
    "zero": 0, "one": 1, "single": 1, "two": 2, "couple": 2, "pair": 2, "both": 2, "three": 3, "few": 3,
    "some": 3, "four": 4, "several": 4, "five": 5, "six": 6, "many": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "dozen": 12, "twelve": 12,
}  # fmt: skip
DETERMINERS: frozenset[str] = frozenset(
    "a an the this that these those my your his her its our their another each every any".split(),
)  # fmt: skip
CONJUNCTIONS: frozenset[str] = frozenset(("and", "or", "plus", "with", "&", "+", "/", "but", "then"))
NEGATIONS: frozenset[str] = frozenset("no not without never".split())
PREPOSITIONS: frozenset[str] = frozenset(
    (
        "on in over under near beside above below behind atop upon inside within against between among amid "
        "around at by onto into along beneath underneath across through before from toward towards past "
        "outside off"
    ).split()
)
# Words before "of" or after a noun that mean a multitude.
COLLECTIVES: frozenset[str] = frozenset(
    (
        "field bunch swarm group cluster colony herd flock pile heap handful bouquet patch forest crowd row "
        "garden"
    ).split()
)
# Grammar and picture words that ask for nothing.
FILLERS: frozenset[str] = frozenset(
    (
        "to is are was be being been it i me we you please add put place make create draw show give want "
        "lying lies sitting sits resting rests crawling crawls standing stands growing grows perched hanging "
        "flying swimming hiding walking climbing eating there here where which who very really closeup macro "
        "detail details detailed view photo photograph picture image texture surface so as just more colored "
        "coloured painted lot top front side close up down middle center centre background foreground left "
        "right s t"
    ).split()
)
