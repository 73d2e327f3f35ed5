"""The page keeps the bounds of the protocol: its copies are equal to ours."""

import re
from pathlib import Path

from wonderzoom.protocol import limits

FILE = Path(__file__).resolve().parents[3] / "clients" / "web" / "limits.js"


def test_the_bounds_of_the_page_are_those_of_the_protocol() -> None:
    said = re.findall(r"^export const (\w+) = ([\d.* ]+);", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(said) >= 7
    for name, value in said:
        assert eval(value, {"__builtins__": {}}) == getattr(limits, name), name  # digits and stars only
