"""Receives an upload: multipart/form-data, parsed as it arrives, the file going straight to the spool.

At no time is more than a block of it in memory. Parsing, hashing and writing happen in threads.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from fastapi import Request

from emoscribe.api.submission_fields import SubmissionFields, parse_form
from emoscribe.errors import InvalidRequestError, JobStoreError, MediaLimitError, RequestTooLargeError
from emoscribe.jobs import LocalFile, Upload

BLOCK_BYTES: Final = 2**20  # what is parsed in one go
MAX_FIELD_BYTES: Final = 8 * 1024
MAX_NAME_CHARACTERS: Final = 1000  # of a file; only shown, so the end of a longer one will do
MAX_OVERHEAD_BYTES: Final = 2**18  # everything but the content of the file: boundaries, headers, fields
_FILE: Final = "file"
_REPEATABLE: Final = "[]"  # at the end of the name of a field that may come several times


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """Where uploads go."""

    folder: Path
    max_bytes: int


async def receive_form(request: Request, spool: SpoolOptions, cleanup: ExitStack) -> tuple[LocalFile, SubmissionFields]:
    """A submission. The file is removed when `cleanup` closes, unless it was submitted.

    Raises what `receive_upload` raises, and RequestValidationError for fields that do not validate.
    """
    upload, values = await receive_upload(request, spool, cleanup, tuple(SubmissionFields.model_fields))
    return upload, parse_form(values)


async def receive_upload(
    request: Request, spool: SpoolOptions, cleanup: ExitStack, names: Sequence[str]
) -> tuple[LocalFile, dict[str, Any]]:
    """The file of a form and its fields, which may be those with these names: a text, or texts where it ends with `[]`.

    The file is removed when `cleanup` closes, unless it was submitted. Raises InvalidRequestError,
    RequestTooLargeError, MediaLimitError, JobStoreError (the disk is full).
    """
    _check_declared_size(request, spool)
    form = _Form(request.headers.get("content-type", ""), spool, cleanup, names)
    block = bytearray()
    async for chunk in request.stream():
        block += chunk
        if len(block) >= BLOCK_BYTES:
            await to_thread.run_sync(form.feed, bytes(block))
            block.clear()
    return await to_thread.run_sync(form.finish, bytes(block))


def _check_declared_size(request: Request, spool: SpoolOptions) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > spool.max_bytes + MAX_OVERHEAD_BYTES:
        raise MediaLimitError(
            f"The upload is larger than {spool.max_bytes} bytes.",
            fix="Upload it to S3 and submit its s3:// address, or send only the sound.",
        )


class _Part:
    """What the parser calls for one field; the shape of `streaming_form_data.targets.BaseTarget`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file_name = ""
        self.bytes = 0
        self.is_whole = False

    def set_multipart_filename(self, name: str | None) -> None:
        self.file_name = (name or "")[-MAX_NAME_CHARACTERS:]

    def set_multipart_content_type(self, name: str) -> None:
        """What the client claims; files are judged by their content."""

    def start(self) -> None:
        if self.is_whole and not self.name.endswith(_REPEATABLE):
            raise InvalidRequestError(f"The field {self.name} was sent twice.", fix="Send it once.")

    def data_received(self, chunk: bytes) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        self.is_whole = True


class _TextPart(_Part):
    """A short text, or several."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._contents: list[bytearray] = []

    def start(self) -> None:
        super().start()
        self._contents.append(bytearray())

    def data_received(self, chunk: bytes) -> None:
        self._contents[-1] += chunk
        if len(self._contents[-1]) > MAX_FIELD_BYTES:
            raise InvalidRequestError(
                f"The field {self.name} is longer than {MAX_FIELD_BYTES} bytes.", fix="Shorten it."
            )

    @property
    def value(self) -> str | list[str]:
        try:
            texts = [content.decode() for content in self._contents]
            return texts if self.name.endswith(_REPEATABLE) else texts[0]
        except UnicodeDecodeError:
            raise InvalidRequestError(f"The field {self.name} is not UTF-8.", fix="Encode it as UTF-8.") from None


class _FilePart(_Part):
    """The recording, on its way to the spool."""

    def __init__(self, spool: SpoolOptions, cleanup: ExitStack) -> None:
        super().__init__(_FILE)
        self._spool = spool
        self._cleanup = cleanup
        self.upload: Upload | None = None

    def start(self) -> None:
        super().start()
        self.upload = self._cleanup.enter_context(Upload(self._spool.folder, self.file_name, self._spool.max_bytes))

    def data_received(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        if self.upload is not None:
            self.upload.write(chunk)


class _Form:
    """The form being received. Called from one thread at a time."""

    def __init__(self, content_type: str, spool: SpoolOptions, cleanup: ExitStack, names: Sequence[str]) -> None:
        from streaming_form_data import ParseFailedException, StreamingFormDataParser

        self._file = _FilePart(spool, cleanup)
        self._texts = [_TextPart(name) for name in names]
        self._received = 0
        self._parse_error = ParseFailedException
        try:
            self._parser = StreamingFormDataParser({"Content-Type": content_type}, strict=True)
        except ParseFailedException as error:
            raise InvalidRequestError(f"Not a form: {error}.", fix="Send multipart/form-data.") from None
        for part in (self._file, *self._texts):
            self._parser.register(part.name, part)

    def feed(self, block: bytes) -> None:
        """Parse the next block."""
        self._received += len(block)
        try:
            self._parser.data_received(block)
        except self._parse_error as error:
            raise self._as_invalid(error) from None
        except UnicodeDecodeError:
            raise InvalidRequestError("The name of a field or file is not UTF-8.", fix="Encode it as UTF-8.") from None
        except OSError as error:
            raise JobStoreError(f"The upload cannot be kept: {error.strerror}.") from error
        if self._received - self._file.bytes > MAX_OVERHEAD_BYTES:
            raise RequestTooLargeError(
                "The form holds too much besides the file.", fix="Send the file and options only."
            )

    def _as_invalid(self, error: Exception) -> InvalidRequestError:
        unknown = getattr(error, "part_name", None)
        if unknown is not None:
            known = ", ".join((_FILE, *(part.name for part in self._texts)))
            return InvalidRequestError("The form has a field that is not known.", fix=f"The fields are {known}.")
        return InvalidRequestError("The form cannot be parsed.", fix="Send multipart/form-data as RFC 7578 has it.")

    def finish(self, block: bytes) -> tuple[LocalFile, dict[str, Any]]:
        """Parse the last block; everything must be there now."""
        self.feed(block)
        if self._file.upload is None:
            raise InvalidRequestError("The form has no file.", fix="Send the recording as the field `file`.")
        if not self._file.is_whole:
            raise InvalidRequestError("The upload ended early.", fix="Send it again.")
        values = {part.name: part.value for part in self._texts if part.is_whole}
        try:
            return self._file.upload.finish(), values
        except OSError as error:
            raise JobStoreError(f"The upload cannot be kept: {error.strerror}.") from error
