import pytest

from wonderzoom.runtime.renderers.closing import Closing


class Door(Closing):
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_it_is_closed_however_the_block_ends() -> None:
    door = Door()
    with door as same:
        assert same is door and door.closed == 0
    assert door.closed == 1
    with pytest.raises(ValueError, match="no"):
        with door:
            raise ValueError("no")
    assert door.closed == 2
