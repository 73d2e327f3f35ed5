"""Photos that guests send, and the worlds that are made of them.

A photo arrives in portions in a file that is named by its hash, so that it goes on where it stopped, after a
broken connection as after a restart. What it holds is only read by a process of its own (``creation``). Bounds:
one photo at a time for each guest, MAX_PHOTOS in all, and MOST_KEPT that nobody finished.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.runtime.metrics import Metrics
from wonderzoom.runtime.participants import Participant

log = logging.getLogger(__name__)

FOLDER = ".uploads"  # in the folder of the worlds
MAX_PHOTOS = 4  # under way at once
MOST_KEPT = 16  # unfinished photos that wait for their sender; the oldest are removed
SPARE_BYTES = 500_000_000  # of the disk that stay free: a world and its first zooms
_REMEMBERED = 64  # finished uploads whose answer is given again


class CreationFailed(Exception):
    """No world could be made of a photo; the text is for whoever sent it."""


class Create(Protocol):
    """Makes a world at ``world`` of the picture in a file, and tells its progress in [0, 1]. Raises CreationFailed."""

    async def __call__(self, picture: Path, world: Path, told: Callable[[float], None]) -> None: ...


@dataclass
class _Photo:
    """One that is under way."""

    who: Participant
    id: str
    title: str
    size: int
    digest: bytes
    path: Path
    received: int
    creating: asyncio.Task[None] | None = None
    last: messages.UploadStatus | None = None


class Uploads:
    """Belongs to one event loop. ``add`` shows a new world and returns its name."""

    def __init__(
        self,
        folder: Path,
        create: Create,
        place: Callable[[str], Path],
        add: Callable[[Path], str],
        metrics: Metrics,
    ) -> None:
        self._folder, self._create, self._place, self._add = folder / FOLDER, create, place, add
        self._metrics = metrics
        self._photos: dict[tuple[str, str], _Photo] = {}
        self._answers: OrderedDict[tuple[str, str], messages.UploadStatus] = OrderedDict()
        self._closing = False

    # ---- what a guest says --------------------------------------------------------------------------
    def begin(self, who: Participant, message: messages.UploadBegin) -> None:
        """A photo is announced, or goes on."""
        key = _key(who, message.upload)
        if (answer := self._answers.get(key)) is not None:
            who.say(answer)
            return
        photo = self._photos.get(key)
        if photo is not None:  # announced again, after a broken connection
            if photo.last is not None:
                who.say(photo.last)
            return
        try:
            photo = self._announced(who, message)
        except _Refused as refused:
            self._over(who, message.upload, refused.code, str(refused))
            return
        except OSError as error:
            log.error("an upload could not begin: %s", error)
            self._over(who, message.upload, ErrorCode.OUT_OF_SPACE, "it can't be stored here")
            return
        self._photos[key] = photo
        self._tell(photo, "receiving")

    def _announced(self, who: Participant, message: messages.UploadBegin) -> _Photo:
        """Raises _Refused and OSError."""
        digest = message.sha256.hex()
        if self._closing:
            raise _Refused(ErrorCode.BUSY, "the server stops")
        for other in self._photos.values():
            if other.who is who or other.digest == message.sha256:
                raise _Refused(ErrorCode.BUSY, "one photo at a time: the last one is not done yet")
        if len(self._photos) >= MAX_PHOTOS:
            raise _Refused(ErrorCode.BUSY, "others are sending photos; try again in a minute")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old()
        if shutil.disk_usage(self._folder).free < message.bytes + SPARE_BYTES:
            raise _Refused(ErrorCode.OUT_OF_SPACE, "the server's disk is full")
        path = self._folder / f"{digest}.part"
        received = path.stat().st_size if path.exists() else 0
        if received > message.bytes:
            path.unlink()
            received = 0
        return _Photo(
            who, message.upload, Path(message.name).stem, message.bytes, message.sha256, path, received
        )

    def chunk(self, who: Participant, message: messages.UploadChunk) -> None:
        """A portion; one that does not fit is answered with how much there is."""
        photo = self._photos.get(_key(who, message.upload))
        if photo is None or photo.creating is not None:
            self._unknown(who, message.upload)
            return
        if message.offset == photo.received and photo.received + len(message.data) <= photo.size:
            try:
                with photo.path.open("ab") as file:
                    file.write(message.data)
            except OSError as error:
                log.error("an upload could not be stored: %s", error)
                self._failed(photo, ErrorCode.OUT_OF_SPACE, "it can't be stored here: the disk may be full")
                return
            photo.received += len(message.data)
        self._tell(photo, "receiving")

    def end(self, who: Participant, message: messages.UploadEnd) -> None:
        """All was sent."""
        photo = self._photos.get(_key(who, message.upload))
        if photo is None:
            self._unknown(who, message.upload)
        elif photo.creating is None:
            photo.creating = asyncio.create_task(self._make(photo), name=f"world of upload {photo.id}")

    # ---- making -------------------------------------------------------------------------------------
    async def _make(self, photo: _Photo) -> None:
        try:
            if photo.received != photo.size or await asyncio.to_thread(_sha256, photo.path) != photo.digest:
                photo.path.unlink(missing_ok=True)
                self._failed(
                    photo, ErrorCode.INVALID, "what arrived is not what was announced; send it again"
                )
                return
            self._tell(photo, "creating")
            world = self._place(photo.title)
            try:
                await self._create(
                    photo.path, world, lambda fraction: self._tell(photo, "creating", fraction)
                )
            except BaseException:
                await asyncio.to_thread(shutil.rmtree, world, ignore_errors=True)
                raise
            photo.path.unlink(missing_ok=True)
            self._tell(photo, "done", 1.0, self._add(world))
            self._metrics.upload_ended("done")
            self._finished(photo)
        except CreationFailed as error:
            photo.path.unlink(missing_ok=True)
            self._failed(photo, ErrorCode.INVALID, str(error))
        except OSError as error:
            log.error("an upload failed: %s", error)
            self._failed(photo, ErrorCode.OUT_OF_SPACE, "it can't be stored here: the disk may be full")
        except Exception:  # a mistake of ours must not keep others from sending theirs
            log.exception("an upload failed")
            self._failed(photo, ErrorCode.FAILED, "no world could be made of it; the server's log says why")

    def left(self, who: Participant) -> None:
        """Somebody is gone for good: what they did not finish sending waits for them on the disk only."""
        for key, photo in list(self._photos.items()):
            if photo.who is who and photo.creating is None:
                del self._photos[key]

    async def close(self) -> None:
        """Begin nothing more, and stop what is being made; photos that have arrived stay for the next start."""
        self._closing = True
        tasks = [photo.creating for photo in self._photos.values() if photo.creating is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget_old(self) -> None:
        under_way = {photo.path for photo in self._photos.values()}
        kept = [path for path in self._folder.glob("*.part") if path not in under_way]
        kept.sort(key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST_KEPT]:
            path.unlink(missing_ok=True)

    # ---- answers ------------------------------------------------------------------------------------
    def _tell(
        self,
        photo: _Photo,
        state: Literal["receiving", "creating", "done"],
        fraction: float = 0.0,
        world: str = "",
    ) -> None:
        fraction = min(1.0, max(0.0, fraction))
        photo.last = messages.UploadStatus(
            upload=photo.id, received=photo.received, state=state, fraction=fraction, world=world
        )
        photo.who.say(photo.last)

    def _failed(self, photo: _Photo, code: ErrorCode, text: str) -> None:
        self._photos.pop(_key(photo.who, photo.id), None)
        self._over(photo.who, photo.id, code, text)

    def _finished(self, photo: _Photo) -> None:
        key = _key(photo.who, photo.id)
        self._photos.pop(key, None)
        if photo.last is not None:
            self._answers[key] = photo.last
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)

    def _unknown(self, who: Participant, upload: str) -> None:
        answer = self._answers.get(_key(who, upload))
        if answer is not None:
            who.say(answer)
        else:
            _fail(who, upload, ErrorCode.NOT_FOUND, "there is no such upload; begin it")

    def _over(self, who: Participant, upload: str, code: ErrorCode, text: str) -> None:
        log.info("an upload failed: %s", text)
        self._metrics.upload_ended(code)
        _fail(who, upload, code, text)


class _Refused(Exception):
    """An upload that does not begin."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def _key(who: Participant, upload: str) -> tuple[str, str]:
    """Of a guest for as long as they are one, whichever world they look at."""
    return (who.resume, upload)


def _fail(who: Participant, upload: str, code: ErrorCode, text: str) -> None:
    who.say(messages.UploadStatus(
        upload=upload, received=0, state="failed", code=code, message=text[: limits.MAX_TEXT]
    ))  # fmt: skip


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
