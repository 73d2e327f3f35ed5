"""What is closed at the end of a ``with``: renderers and the threads that they draw with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """``with`` gives the object itself, and closes it however the block ends."""

    @abstractmethod
    def close(self) -> None:
        """Finish what is under way, and give back what is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
