"""Every error EmoScribe raises on purpose. Each has a stable code and an HTTP status.

    EmoScribeError                          internal_error          500
    ├── InvalidRequestError                 invalid_request         400   an option or value is wrong
    │   ├── SettingsError                   invalid_settings        500   EMOSCRIBE_* does not validate
    │   ├── RequestTooLargeError            request_too_large       413   the body of a request is over its bound
    │   ├── PreconditionMissingError        precondition_required   428   it is not said what the caller has seen
    │   ├── UnsupportedLanguageError        unsupported_language    422   no engine for this language
    │   └── CallbackRefusedError            callback_refused        422   the callback may not be sent there
    ├── AccessError                         forbidden               403   the caller may not do this
    │   └── UnauthenticatedError            unauthenticated         401   no token, or one that is not known
    ├── MediaError                          unreadable_media        422   the file cannot be analysed
    │   ├── MediaNotFoundError              media_not_found         404
    │   ├── UnsupportedMediaError           unsupported_media       415   container or codec not allowed
    │   ├── CorruptMediaError               corrupt_media           422   recognised, but cannot be decoded
    │   ├── NoAudioTrackError               no_audio_track          422
    │   ├── MediaLimitError                 media_too_large         413   a bound was hit while decoding
    │   ├── MediaNotKeptError               media_not_kept          410   the recording is not there any more
    │   ├── SourceChangedError              source_changed          409   overwritten since it was submitted
    │   └── SourceUnreachableError          source_unreachable      502   S3 does not answer
    ├── ModelError                          model_unusable          503
    │   ├── ModelMissingError               model_missing           503   `emoscribe models pull` was not run
    │   ├── ModelIntegrityError             model_corrupt           503   a hash or a label order differs
    │   ├── ModelSourceError                model_source_failed     502   no source could deliver the files
    │   └── ModelNotFoundError              model_not_found         404   no model of that name is loaded
    ├── StageError                          stage_failed            500   one item of a batch failed
    ├── RunnerUnavailableError              runner_unavailable      503   a model's process does not answer
    ├── RunnerBrokeOffError                 runner_broke_off        503   it died of a call, again and again
    ├── JobNotFoundError                    job_not_found           404   no such job or result for this tenant
    ├── JobConflictError                    job_conflict            409   the job's state forbids it
    │   └── CorrectionConflictError         correction_conflict     412   another reviewer was faster
    ├── WorkerLostError                     worker_lost             500   the worker died in every attempt
    ├── JobStoreError                       job_store_unavailable   503   the store of jobs cannot be used
    └── CancelledError                      cancelled               499   the caller stopped the work

A message names the cause; `fix` says what to do about it. Both may be shown to users, so neither
holds transcript text, secrets or paths the user did not give.
"""

from typing import ClassVar


class EmoScribeError(Exception):
    """Base of the tree. `str(error)` is the cause, `error.fix` the remedy ("" when there is none)."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:  # keeps `fix` across processes and runners
        return (_rebuild, (type(self), self.message, self.fix))


def _rebuild(kind: type[EmoScribeError], message: str, fix: str) -> EmoScribeError:
    return kind(message, fix=fix)


class InvalidRequestError(EmoScribeError):
    """An option or a value the caller gave cannot be used."""

    code = "invalid_request"
    http_status = 400


class SettingsError(InvalidRequestError):
    """The EMOSCRIBE_* environment does not validate."""

    code = "invalid_settings"
    http_status = 500


class RequestTooLargeError(InvalidRequestError):
    """The body of a request holds more than this request may."""

    code = "request_too_large"
    http_status = 413


class PreconditionMissingError(InvalidRequestError):
    """The request does not say which version the caller has seen."""

    code = "precondition_required"
    http_status = 428


class UnsupportedLanguageError(InvalidRequestError):
    """No engine of the active profile can handle the language."""

    code = "unsupported_language"
    http_status = 422


class CallbackRefusedError(InvalidRequestError):
    """The callback address is not one that this service may send to."""

    code = "callback_refused"
    http_status = 422


class AccessError(EmoScribeError):
    """The caller may not do this, or not from there."""

    code = "forbidden"
    http_status = 403


class UnauthenticatedError(AccessError):
    """The caller gave no token, or one that is not known here."""

    code = "unauthenticated"
    http_status = 401


class MediaError(EmoScribeError):
    """The source cannot be analysed."""

    code = "unreadable_media"
    http_status = 422


class MediaNotFoundError(MediaError):
    """There is no such file or object."""

    code = "media_not_found"
    http_status = 404


class UnsupportedMediaError(MediaError):
    """The container or codec is not on the allow-list, judged by content and not by name."""

    code = "unsupported_media"
    http_status = 415


class CorruptMediaError(MediaError):
    """The container was recognised but no audio could be decoded from it."""

    code = "corrupt_media"
    http_status = 422


class NoAudioTrackError(MediaError):
    """The file has no audio track, or not the one that was asked for."""

    code = "no_audio_track"
    http_status = 422


class MediaLimitError(MediaError):
    """A bound on bytes, duration, memory or time was hit while decoding."""

    code = "media_too_large"
    http_status = 413


class MediaNotKeptError(MediaError):
    """The recording of the analysis is not there any more."""

    code = "media_not_kept"
    http_status = 410


class SourceChangedError(MediaError):
    """The file or object is no longer the one that was submitted."""

    code = "source_changed"
    http_status = 409


class SourceUnreachableError(MediaError):
    """The recording is somewhere else, and cannot be fetched now."""

    code = "source_unreachable"
    http_status = 502


class ModelError(EmoScribeError):
    """A model cannot be used."""

    code = "model_unusable"
    http_status = 503


class ModelMissingError(ModelError):
    """The model's files are not in the cache."""

    code = "model_missing"


class ModelIntegrityError(ModelError):
    """The model's files are not the ones that were pinned, or do not fit this program."""

    code = "model_corrupt"


class ModelSourceError(ModelError):
    """No source could deliver the model's files."""

    code = "model_source_failed"
    http_status = 502


class ModelNotFoundError(ModelError):
    """No model of that name is loaded."""

    code = "model_not_found"
    http_status = 404


class StageError(EmoScribeError):
    """One item of a batch failed in a model stage; the other items are not affected."""

    code = "stage_failed"


class RunnerUnavailableError(EmoScribeError):
    """The process of a model does not answer, or is overloaded."""

    code = "runner_unavailable"
    http_status = 503


class RunnerBrokeOffError(EmoScribeError):
    """The process of a model broke off the same call several times: the call may be what it dies of."""

    code = "runner_broke_off"
    http_status = 503


class JobNotFoundError(EmoScribeError):
    """The tenant has no such job, or the job no such result."""

    code = "job_not_found"
    http_status = 404


class JobConflictError(EmoScribeError):
    """The job is not in a state that allows this, or an idempotency key was used for something else."""

    code = "job_conflict"
    http_status = 409


class CorrectionConflictError(JobConflictError):
    """Another reviewer has decided on the sentence meanwhile."""

    code = "correction_conflict"
    http_status = 412


class WorkerLostError(EmoScribeError):
    """The worker vanished in every attempt at the job: killed, out of memory, or cut off."""

    code = "worker_lost"


class JobStoreError(EmoScribeError):
    """The store of jobs cannot be reached or used."""

    code = "job_store_unavailable"
    http_status = 503


class CancelledError(EmoScribeError):
    """The caller asked to stop."""

    code = "cancelled"
    http_status = 499


def error_of(code: str, message: str, fix: str = "") -> EmoScribeError:
    """The error with this code, as another process reported it; of the base class for a code that is not known here."""
    kinds, found = [EmoScribeError], EmoScribeError
    while kinds:
        kind = kinds.pop()
        found = kind if kind.code == code else found
        kinds += kind.__subclasses__()
    return found(message, fix=fix)
