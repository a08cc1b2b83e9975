"""Each workload with the credentials of its role, policies enforced: it can do all of its work, and nothing is allowed
that its work does not need.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from emoscribe.api import ApiParts, create_app
from emoscribe.errors import StageError
from emoscribe.job_setup import Submissions, make_worker, open_store
from emoscribe.jobs import JobQuery
from emoscribe.model_store.pull import Puller
from emoscribe.model_store.sources import Sources
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from emoscribe.types import Transcript, TranscriptionRequest
from tests.cloudformation import Installation
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, transcript
from tests.model_stand_ins import FILES, small_catalog
from tests.recorded_calls import Calls, Places, acting_as, allowed
from tests.sounds import SPEECH_DIR
from tests.unit.test_jobs_analysis_run import wav

NEVER_ASKED = {"kind": "hub", "repo": "nobody/tiny"}  # the mirror comes first
SHORT = wav(0.1)  # ministack sends all of a version, whatever range is asked for: so a recording of less than one block
SPEECH = (SPEECH_DIR / "pt-1.ogg").read_bytes()  # 21 kB, less than the worker's first block


@pytest.fixture(scope="module")
def places(installation: Installation) -> Places:
    return Places.of(installation)


# --- everything a workload does -----------------------------------------------------------------


def say(request: TranscriptionRequest) -> Transcript | StageError:
    if request.language == "fr":
        raise StageError("The model is unwell.")
    return transcript("que happiness", len(request.samples) // 16, request.language or "pt")


def work(installation: Installation, calls: Calls, *, retention_s: float | None = None) -> dict[str, str]:
    """A worker works until nothing is due. Sources of all jobs, and how they stand."""
    with acting_as(installation.workload("WORKER", "worker"), calls):
        settings = load_settings()
        store = open_store(settings)
        stages = Stages(FakeTranscriber(say), FakeTranslator(), FakeClassifier())
        make_worker(settings, store, stages).run_until_idle()
        if retention_s is not None:
            store.sweep(retention_s)
        return {job.source_name: job.state for job in store.list(JobQuery(limit=200)).jobs}


class Api:
    """The API in this process, with its role."""

    def __init__(self, installation: Installation, calls: Calls) -> None:
        self._environment = {
            **installation.workload("API", "api"),
            "EMOSCRIBE_AUTH": "off",
            "EMOSCRIBE_JOBS_DIR": str(installation.folder / "api"),
            "EMOSCRIBE_S3_SOURCES": f'["{installation.settings["EMOSCRIBE_S3_UPLOADS"]}"]',
        }
        self._calls, self._app = calls, create_app()
        with acting_as(self._environment, calls):
            settings = load_settings()
            store = open_store(settings)
            stages = Stages(FakeTranscriber(say), FakeTranslator(), FakeClassifier())
            self._app.state.parts = ApiParts(settings, store, Submissions(settings, store), stages)

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
                return await client.request(method, path, **options)

        with acting_as(self._environment, self._calls):
            answer = asyncio.run(send())
        assert answer.status_code == status, answer.text
        return answer

    def submit(self, content: bytes, **fields: str) -> str:
        """The path of an upload's job."""
        answer = self("POST", "/v1/analyses", 202, files={"file": ("talk.wav", content)}, data=fields)
        return urlsplit(answer.headers["location"]).path

    def waiting(self) -> int:
        """What its metrics ask the queue."""
        with acting_as(self._environment, self._calls):
            return int(self._app.state.parts.store.backlog().waiting)

    def send_back(self) -> list[str]:
        """What an operator does about dead letters in a pod of the API. Their error codes."""
        with acting_as(self._environment, self._calls):
            letters = self._app.state.parts.store.dead_letters
            codes = [one.code for one in letters.look(10)]
            assert len(letters.send_back(10)) == len(codes)
            return codes

    def close(self) -> None:
        self._app.state.parts.submissions.close()


@pytest.fixture
def api(installation: Installation, places: Places) -> Iterator[tuple[Api, Calls]]:
    calls = Calls(places)
    made = Api(installation, calls)
    yield made, calls
    made.close()


def test_the_worker_needs_all_that_its_role_allows(
    installation: Installation, places: Places, api: tuple[Api, Calls]
) -> None:
    worker_calls = Calls(places)
    s3 = installation.client("s3")
    for key, content in (("incoming/roles/talk.ogg", SPEECH), ("incoming/roles/broken.mp4", b"no recording" * 100)):
        s3.put_object(Bucket=installation.bucket, Key=key, Body=content)
    api[0].submit(SPEECH, language="fr")  # the model will be unwell: its message is hidden until the next attempt
    states = work(installation, worker_calls).items()
    expected = {"incoming/roles/talk.ogg": "done", "incoming/roles/broken.mp4": "failed", "talk.wav": "queued"}
    assert expected.items() <= states
    assert work(installation, worker_calls, retention_s=0) == {"talk.wav": "queued"}
    assert worker_calls.granted == allowed(installation, installation.settings["EMOSCRIBE_WORKER_ROLE_ARN"], places)


def test_the_api_needs_all_that_its_role_allows(
    installation: Installation, places: Places, api: tuple[Api, Calls]
) -> None:
    call, calls = api
    installation.client("s3").put_object(Bucket=installation.bucket, Key="incoming/named.wav", Body=SHORT)
    address = f"s3://{installation.bucket}/incoming/named.wav"
    installation.client("s3").put_object(Bucket=installation.bucket, Key="incoming/refused.wav", Body=b"no sound")
    named = urlsplit(call("POST", "/v1/analyses", 202, json={"source": address}).headers["location"]).path
    uploaded = call.submit(SPEECH, formats="csv")
    work(installation, Calls(places))
    for path, content in ((named, SHORT), (uploaded, SPEECH)):
        assert call("GET", path).json()["state"] == "done"
        call("GET", f"{path}/result.json")
        assert call("GET", call("POST", f"{path}/media-url").json()["url"]).content == content
    first, verdict = {"If-Match": '"0"'}, {"label": "neutral"}
    call("PUT", f"{uploaded}/segments/0/correction", headers=first, json=verdict)
    call("GET", f"{uploaded}/corrections")
    call("DELETE", uploaded, 204)
    assert "unsupported_media" in call.send_back()
    cancelled = call.submit(wav(300))  # in parts
    call("POST", f"{cancelled}/cancel")
    call("POST", f"{cancelled}/retry", 202)
    assert call("GET", "/v1/analyses").json()["analyses"]
    assert call.waiting() > 0
    lose_connection_while_uploading(calls.client("s3"), lambda: call("POST", "/v1/analyses", 503, files=big_upload()))
    assert calls.granted == allowed(installation, installation.settings["EMOSCRIBE_API_ROLE_ARN"], places)


def big_upload() -> dict[str, tuple[str, bytes]]:
    return {"file": ("talk.wav", wav(301))}


def lose_connection_while_uploading(s3: Any, upload: Callable[[], object]) -> None:
    def lose(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://example.org")

    s3.meta.events.register("before-parameter-build.s3.UploadPart", lose)
    upload()
    s3.meta.events.unregister("before-parameter-build.s3.UploadPart", lose)


def test_runners_fetch_models_with_all_that_their_role_allows(
    installation: Installation, places: Places, tmp_path: Path
) -> None:
    for name, content in FILES.items():
        installation.client("s3").put_object(Bucket=installation.bucket, Key=f"models/tiny/{name}", Body=content)
    calls = Calls(places)
    with acting_as(installation.workload("MODELS", "transcriber"), calls):
        settings = load_settings()
        puller = Puller(tmp_path, Sources(mirror_url=settings.models_mirror_url), lambda _: None)
        result = puller.pull(small_catalog([NEVER_ASKED], is_pinned=True).models["tiny"])
    assert (result.action, result.source) == ("pulled", "S3 mirror")
    assert calls.granted == allowed(installation, installation.settings["EMOSCRIBE_MODELS_ROLE_ARN"], places)


def test_keda_sees_the_length_of_the_queue_and_nothing_else(installation: Installation, places: Places) -> None:
    keda = installation.workload("KEDA", "keda-operator", "keda")
    asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]  # as KEDA does
    queue = installation.settings["EMOSCRIBE_JOBS_QUEUE_URL"]
    answer = installation.client("sqs", keda).get_queue_attributes(QueueUrl=queue, AttributeNames=asked)
    assert set(answer["Attributes"]) == set(asked)
    keda_role = installation.settings["EMOSCRIBE_KEDA_ROLE_ARN"]
    assert allowed(installation, keda_role, places) == {("sqs:GetQueueAttributes", "queue")}


# --- what it must not do ------------------------------------------------------------------------

WORKLOADS = {
    "API": ("api", "emoscribe"),
    "WORKER": ("worker", "emoscribe"),
    "KEDA": ("keda-operator", "keda"),
    "MODELS": ("classifier", "emoscribe"),
}
FORBIDDEN = [
    *((role, "put_object", f"{place}/new") for role in WORKLOADS for place in ("incoming", "models", "elsewhere")),
    *((role, "delete_object", "incoming/named.wav") for role in WORKLOADS),
    *((role, "get_object", "models/tiny/config.json") for role in ("API", "WORKER", "KEDA")),
    *((role, "get_object", "emoscribe/link-secret") for role in ("KEDA", "MODELS")),
    *((role, "get_object", "incoming/named.wav") for role in ("KEDA", "MODELS")),
]


@pytest.mark.parametrize(("role", "operation", "key"), FORBIDDEN)
def test_objects_a_role_must_not_touch(installation: Installation, role: str, operation: str, key: str) -> None:
    s3 = installation.client("s3", installation.workload(role, *WORKLOADS[role]))
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(s3, operation)(Bucket=installation.bucket, Key=key)


@pytest.mark.parametrize("role", WORKLOADS)
@pytest.mark.parametrize("queue", ["JOBS_QUEUE", "JOBS_DEAD_LETTER"])
def test_queues_a_role_must_not_use(installation: Installation, role: str, queue: str) -> None:
    sqs = installation.client("sqs", installation.workload(role, *WORKLOADS[role]))
    address = installation.settings[f"EMOSCRIBE_{queue}_URL"]
    for operation, options in (
        ("receive_message", {}),
        ("send_message", {"MessageBody": "{}"}),
        ("purge_queue", {}),
        ("set_queue_attributes", {"Attributes": {"VisibilityTimeout": "1"}}),
    ):
        is_work = (role, queue, operation) in {
            ("WORKER", "JOBS_QUEUE", "receive_message"),
            ("WORKER", "JOBS_QUEUE", "send_message"),
            ("WORKER", "JOBS_DEAD_LETTER", "send_message"),
            ("API", "JOBS_QUEUE", "send_message"),
            ("API", "JOBS_DEAD_LETTER", "receive_message"),
        }
        if not is_work:
            with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
                getattr(sqs, operation)(QueueUrl=address, **options)


def test_the_mirror_s_readers_see_no_names_of_recordings(installation: Installation) -> None:
    s3 = installation.client("s3", installation.workload("MODELS", "classifier"))
    for prefix in ("", "incoming/", "emoscribe/results/"):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket=installation.bucket, Prefix=prefix)


@pytest.mark.parametrize(
    ("role", "service_account", "namespace"),
    [
        ("WORKER", "api", "emoscribe"),
        ("WORKER", "worker", "default"),
        ("API", "worker", "emoscribe"),
        ("API", "default", "emoscribe"),
        ("KEDA", "keda-operator", "emoscribe"),
        ("MODELS", "worker", "emoscribe"),
    ],
)
def test_a_role_is_for_its_own_service_account(
    installation: Installation, role: str, service_account: str, namespace: str
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.assume(installation.workload(role, service_account, namespace))


def test_a_token_for_another_audience_is_refused(installation: Installation) -> None:
    workload = installation.workload("WORKER", "worker", audience="vault.example.org")
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.assume(workload)
