"""Files come in the order in which they are asked for, a little before that, and their errors with them."""

import threading

import pytest

from wonderzoom.scene_graph.read_ahead import AHEAD, ReadAhead
from wonderzoom.scene_graph.store_record import Row

ROWS = [Row(revision, 1, f"{revision:032x}") for revision in range(1, 8)]


def test_each_is_read_once_in_order_and_elsewhere() -> None:
    read: list[tuple[int, bool]] = []

    def reading(row: Row) -> bytes:
        read.append((row.revision, threading.current_thread() is threading.main_thread()))
        return str(row.revision).encode()

    with ReadAhead(ROWS, reading) as files:
        assert files.of(ROWS[0]) == b"1" and len(read) <= 1 + AHEAD
        assert [files.of(row) for row in ROWS[1:]] == [str(row.revision).encode() for row in ROWS[1:]]
    assert sorted(read) == [(row.revision, False) for row in ROWS]


def test_one_that_nobody_asks_for_is_passed_over_and_an_error_is_that_of_its_row() -> None:
    def reading(row: Row) -> bytes:
        if row.revision in (2, 5):
            raise OSError(f"no {row.revision}")
        return b""

    with ReadAhead(ROWS, reading) as files:
        assert files.of(ROWS[2]) == b""
        with pytest.raises(OSError, match="no 5"):
            files.of(ROWS[4])
        assert files.of(ROWS[6]) == b"" == files.of(ROWS[0])  # whoever goes back reads by himself
