"""An uploaded file as conversations, one at a time, however large it is.

The file is walked through once before anything is taken from it, so that a broken one
changes nothing. One conversation is in memory at a time, and that is bounded too.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

import ijson
from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

from chat.errors import InvalidFileError
from chat.exporting import document
from chat.importing import chatgpt, claude, ours
from chat.importing.drafts import Draft, UnusableError

_UNKNOWN_PACKING = _("The zip is encrypted or packed in a way that is not known here.")
DEPTH_MAX = 64
ENTRIES_MAX = 20_000
# Bytes of a zip's list of entries, which zipfile reads at once: 20,000 long names.
DIRECTORY_MAX = 8 * 1024 * 1024
# JSON compresses to a tenth. Much more is a bomb, if it is large: single conversations
# of ours, with a long line of dashes in them, are packed more tightly than that.
RATIO_MAX, RATIO_FROM = 200, 8 * 1024 * 1024
# Of one conversation, which is read into memory as a whole: bytes, and JSON's values,
# names, beginnings and ends. An empty list of two bytes takes 64 in memory.
ITEM_BYTES_MAX = 64 * 1024 * 1024
ITEM_EVENTS_MAX = 4_000_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Bits of an entry: encrypted, a patch, encrypted strongly.
_LOCKED = 0x01 | 0x20 | 0x40
_TOO_LARGE = _("A conversation in it is too large.")
_NAMES = re.compile(r"(?:.*/)?(?:conversations(?:-\d+)?|conversations/[^/]+)\.json\Z")
_READERS: dict[str, Callable[[dict[str, Any]], Draft]] = {
    "format": ours.draft_of,
    "mapping": chatgpt.draft_of,
    "chat_messages": claude.draft_of,
}
_END = struct.Struct("<4s4H2LH")  # of a zip: its last record, but for the comment
_END_MARK, _LARGE_MARK = b"PK\x05\x06", b"PK\x06\x07"

Opener = Callable[[], IO[bytes]]


def read_conversations(file: IO[bytes]) -> Iterator[tuple[str, Draft | UnusableError]]:
    """Title and what is in each conversation, or why it cannot be taken.

    Raises InvalidFileError before the first one if the file is broken, too large inside
    or no export; `file` can seek.
    """
    with _file_errors():
        sources = [(source, _check(source)) for source in _sources(file)]
        known = False
        for item in (item for source in sources for item in _items(*source)):
            read = _reader(item)
            if read is None and not known:
                raise InvalidFileError(
                    _("This is no export file of Parley, ChatGPT or Claude.")
                )
            known = True
            yield _title(item), _draft(read, item)


def _draft(
    read: Callable[[dict[str, Any]], Draft] | None, item: dict[str, Any]
) -> Draft | UnusableError:
    if read is None:
        return UnusableError(gettext("It is no conversation."))
    try:
        return read(item)
    except UnusableError as error:
        return error


def _reader(item: object) -> Callable[[dict[str, Any]], Draft] | None:
    if not isinstance(item, dict):
        return None
    if "format" in item and item["format"] != document.FORMAT:
        return None
    return next((read for key, read in _READERS.items() if key in item), None)


def _title(item: object) -> str:
    """For the report; whatever the file has."""
    if not isinstance(item, dict):
        return ""
    inner = item.get("conversation")
    found = item.get("title") or item.get("name")
    if isinstance(inner, dict):
        found = inner.get("title")
    return found[:100].replace("\x00", "") if isinstance(found, str) else ""


@contextmanager
def _file_errors() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise InvalidFileError(_("The zip is broken.")) from error
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise InvalidFileError(_("The file is not JSON in UTF-8.")) from error


def _too_many() -> StrPromise:
    return format_lazy(_("The zip has more than {} files."), f"{ENTRIES_MAX:,}")


def _sources(file: IO[bytes]) -> list[Opener]:
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start != b"PK\x03\x04":
        return [partial(_again, file)]
    _check_directory(file)
    try:
        packed = zipfile.ZipFile(file)
    except NotImplementedError as error:  # of a version that zipfile does not know
        raise InvalidFileError(_UNKNOWN_PACKING) from error
    entries = [info for info in packed.infolist() if _NAMES.match(info.filename)]
    if len(packed.infolist()) > ENTRIES_MAX:
        raise InvalidFileError(_too_many())
    if not entries:
        raise InvalidFileError(_("The zip has no conversations.json."))
    limit = settings.IMPORT_MAX_BYTES * settings.IMPORT_UNPACKED_FACTOR
    size = sum(info.file_size for info in entries)
    if size > limit:
        raise InvalidFileError(
            format_lazy(_("Unpacked, the zip is larger than {} MiB."), limit // 1024**2)
        )
    if RATIO_MAX * sum(info.compress_size for info in entries) < size > RATIO_FROM:
        raise InvalidFileError(_("The zip is packed more tightly than text can be."))
    if any(info.header_offset < 0 for info in entries):
        raise zipfile.BadZipFile
    if any(
        info.compress_type not in _METHODS or info.flag_bits & _LOCKED
        for info in entries
    ):
        # Other methods have limits and errors of their own.
        raise InvalidFileError(_UNKNOWN_PACKING)
    return [partial(packed.open, info) for info in entries]


def _again(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _check_directory(file: IO[bytes]) -> None:
    """Before zipfile builds an object for each entry of it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - 65_535 - 20))
    tail = file.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) < at + _END.size:
        raise zipfile.BadZipFile
    entries, length = _END.unpack_from(tail, at)[4:6]
    if entries > ENTRIES_MAX or length > DIRECTORY_MAX or _LARGE_MARK in tail[:at]:
        raise InvalidFileError(_too_many())


class _Counted:
    """A source that ends the reading when one conversation takes too many bytes."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.size = 0

    def read(self, length: int = -1) -> bytes:
        found = self._source.read(length)
        self.size += len(found)
        if self.size > ITEM_BYTES_MAX:
            raise InvalidFileError(_TOO_LARGE)
        return found


def _check(open_source: Opener) -> str:
    """The prefix, as ijson calls it, of the conversations in this source."""
    depth = events = 0
    outer: int | None = None  # the depth around a conversation
    with _opened(open_source) as source:
        counted = _Counted(source)
        for event, _value in ijson.basic_parse(counted, use_float=True):
            if outer is None:
                outer = int(event == "start_array")
            if event in ("start_map", "start_array"):
                depth += 1
                if depth > DEPTH_MAX:
                    raise InvalidFileError(_("The JSON is nested too deeply."))
            elif event in ("end_map", "end_array"):
                depth -= 1
            events += 1
            if depth <= outer:
                events = counted.size = 0
            elif events > ITEM_EVENTS_MAX:
                raise InvalidFileError(_TOO_LARGE)
    return "item" if outer else ""


def _items(open_source: Opener, prefix: str) -> Iterator[Any]:
    """The elements of a list, or the one object that the source holds."""
    with _opened(open_source) as source:
        yield from ijson.items(source, prefix, use_float=True)


@contextmanager
def _opened(open_source: Opener) -> Iterator[IO[bytes]]:
    """Closes what lies in a zip, but not the upload itself."""
    source = open_source()
    try:
        yield source
    finally:
        if isinstance(source, zipfile.ZipExtFile):
            source.close()
