"""The rules by which a recording becomes a request for a job: the same for uploads, the command line and S3 events."""

from dataclasses import dataclass

from pydantic import ValidationError

from emoscribe.catalog import select
from emoscribe.errors import CallbackRefusedError, InvalidRequestError, MediaLimitError
from emoscribe.jobs import JobOptions, JobRequest, LocalFile, S3Object, check_callback_url, fingerprint
from emoscribe.jobs.s3_address import check_key
from emoscribe.local_stages import analysis_options, check_language, emotion_model, is_own_model, locate_emotion_model
from emoscribe.model_store.cache import read_lock
from emoscribe.model_store.entry import ModelEntry, default_catalog
from emoscribe.report import parse_formats
from emoscribe.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """What comes with a recording."""

    options: JobOptions
    tenant: str
    callback_url: str | None = None
    idempotency_key: str | None = None


class RequestRules:
    """Turns a recording that was found into a request, the same for every way in."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError."""
        self._settings = settings
        self._fingerprint = settings_fingerprint(settings)

    def request(self, source: LocalFile | S3Object, asked: Asked) -> JobRequest:
        """Raises InvalidRequestError, and its kinds for the language and the callback."""
        if isinstance(source, S3Object):
            self._check_object(source)
        try:
            return JobRequest(
                source=source,
                options=self.checked_options(asked.options),
                settings=self._fingerprint,
                tenant=asked.tenant,
                callback_url=self._checked_callback(asked.callback_url),
                idempotency_key=asked.idempotency_key,
            )
        except ValidationError as error:
            raise _as_invalid_request(error) from None

    def checked_options(self, options: JobOptions) -> JobOptions:
        """In one spelling, so that the same wish is the same job. Raises InvalidRequestError."""
        language = check_language(options.language)
        if language is None and options.language is not None and self._settings.language is not None:
            language = "auto"  # wins over the language that the settings pin
        formats = ("json", *parse_formats(",".join(options.formats or ("json",))))
        return JobOptions.model_validate({**dict(options), "language": language, "formats": formats})

    def _check_object(self, source: S3Object) -> None:
        check_key(source.key)
        if source.bytes > self._settings.max_source_bytes:
            raise MediaLimitError(
                f"The object has {source.bytes} bytes, the limit is {self._settings.max_source_bytes}.",
                fix="Raise EMOSCRIBE_MAX_SOURCE_BYTES, or send only the sound.",
            )

    def _checked_callback(self, url: str | None) -> str | None:
        if url is None:
            return None
        if self._settings.callback_secret_file is None:
            raise CallbackRefusedError(
                "This service sends no callbacks: it has no secret to sign them with.",
                fix="Leave the callback out and ask for the job's state, or set EMOSCRIBE_CALLBACK_SECRET_FILE.",
            )
        check_callback_url(url, allow_loopback=self._settings.callback_loopback)
        return url


def settings_fingerprint(settings: Settings) -> str:
    """Of all that shapes a result apart from the recording and its own options: same settings, same results.

    Threads, device and number format are the machine's affair. Models count by the hashes that the catalogue or the
    lock file names, so that a machine without models makes the same jobs.
    """
    locked = read_lock(settings.models_dir)
    catalog = default_catalog()
    names = [name for name in catalog.profiles[settings.profile] if catalog.models[name].role != "emotion"]
    emotion = emotion_model(settings)
    own = is_own_model(emotion)
    models: dict[str, object] = {
        name: _file_hashes(catalog.models[name], locked[name].files if name in locked else {})
        for name in (names if own else select([*names, emotion]))
    }
    if own:
        models["emotion"] = locate_emotion_model(emotion, settings.models_dir)[1].sha256
    return fingerprint({"analysis": analysis_options(settings).recorded, "models": models})


def _file_hashes(entry: ModelEntry, locked: dict[str, str]) -> list[list[str]]:
    return [[file.name, file.sha256 or locked.get(file.name, "")] for files in entry.variants for file in files]


def _as_invalid_request(error: ValidationError) -> InvalidRequestError:
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
    return InvalidRequestError(f"The request is not valid: {wrong}.", fix="Correct it.")
