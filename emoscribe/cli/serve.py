"""`emoscribe serve`, `worker` and `runner`: the service, whole or in parts, as processes of BentoML."""

import ipaddress
import os
import signal
import socket
import subprocess  # starts this very interpreter, with arguments that are checked
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

import emoscribe
from emoscribe.errors import InvalidRequestError, SettingsError
from emoscribe.local_stages import check_models
from emoscribe.settings import Settings, load_settings

RUNNERS: Final = ("Transcriber", "Translator", "Classifier")
DRAIN_S: Final = 5.0  # of a separate part, if the setting does not say: load balancers look every few seconds
KEEP_ALIVE_S: Final = 75  # longer than the 15 s callers keep an idle connection, so that they never find it closed

Host = Annotated[str | None, typer.Option(help="Address to listen on.  [default: EMOSCRIBE_HOST, 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.  [default: EMOSCRIBE_PORT, 3000]")]
RunnerAddresses = Annotated[
    list[str] | None,
    typer.Option(
        "--runner", metavar="NAME=URL", help="Where a runner is: Transcriber=http://host:3000. For all three."
    ),
]


def serve(
    host: Host = None,
    port: Port = None,
    one_process: Annotated[
        bool, typer.Option("--one-process", help="API, worker and models in a single process, for a laptop.")
    ] = False,
    runner: RunnerAddresses = None,
) -> None:
    """Start the service: API, worker and runners on this machine, or the API alone over runners elsewhere."""
    settings = load_settings(host=host, port=port)
    _check_access(settings)
    if runner:
        _run(_draining(settings), [*_part("EmoScribe"), *_depends(runner)])
    check_models(settings)
    address = f"http://{settings.host}:{settings.port}"
    Console(stderr=True).print(f"EmoScribe on {address}  (API: /openapi.json; ready: /readyz)")
    _run(settings, ["-m", "bentoml", "serve", "service:EmoScribe", *(["--development"] if one_process else [])])


def worker(host: Host = None, port: Port = None, runner: RunnerAddresses = None) -> None:
    """Work on the jobs of the store: with runners on this machine, or with those elsewhere."""
    settings = load_settings(host=host, port=port)
    if runner:
        _run(settings, [*_part("BatchWorker"), *_depends(runner)])
    check_models(settings)
    _run(settings, ["-m", "bentoml", "serve", "service:BatchWorker"])


def runner(
    name: Annotated[str, typer.Argument(help=f"{', '.join(RUNNERS[:-1])} or {RUNNERS[-1]}.")],
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve one model to an API and workers elsewhere. Whoever reaches its port can run code: fence it off."""
    if name not in RUNNERS:
        raise InvalidRequestError(f"There is no runner {name!r}.", fix=f"Give one of {', '.join(RUNNERS)}.")
    settings = load_settings(host=host, port=port)
    check_models(settings)
    _run(_draining(settings), _part(name))


def _draining(settings: Settings) -> Settings:
    """For a part that others call: it stays until load balancers have turned away from it."""
    return settings if settings.drain_s is not None else settings.model_copy(update={"drain_s": DRAIN_S})


def _check_access(settings: Settings) -> None:
    """Raises SettingsError for a service that would be open to others, or closed to everybody."""
    if settings.auth == "off" and not ipaddress.ip_address(_address(settings.host)).is_loopback:
        raise SettingsError(
            f"EMOSCRIBE_AUTH=off is for this machine only, not for {settings.host}.", fix="Use tokens, or 127.0.0.1."
        )
    if settings.auth == "tokens" and settings.tokens_file is None:
        raise SettingsError(
            "There are no tokens: nobody could use the service.",
            fix="Make one with `emoscribe tokens add NAME` and set EMOSCRIBE_TOKENS_FILE, "
            "or set EMOSCRIBE_AUTH=off for this machine alone.",
        )


def _address(host: str) -> str:
    """The IP address of a name such as localhost: BentoML listens on addresses only."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        raise SettingsError(f"{host!r} is no address of this machine.", fix="Give 127.0.0.1 or 0.0.0.0.") from None


def _part(name: str) -> list[str]:
    """One service by itself; `bentoml serve` has no option for that."""
    command = ["-m", "bentoml_cli._internal.start", "start-http-server", "service:EmoScribe", "--service-name", name]
    return [*command, "--timeout-keep-alive", str(KEEP_ALIVE_S)]


def _depends(runners: Sequence[str]) -> list[str]:
    addresses = dict(part.partition("=")[::2] for part in runners)
    if set(addresses) != set(RUNNERS) or not all(url.startswith(("http://", "https://")) for url in addresses.values()):
        raise InvalidRequestError(
            "Each of the three runners needs its address.", fix=f"--runner {'=URL --runner '.join(RUNNERS)}=URL"
        )
    return [argument for name in RUNNERS for argument in ("--depends", f"{name}={addresses[name]}")]


def service_folder() -> Path:
    """Where service.py and runners/ are: beside the package in a checkout, inside it when installed from a wheel."""
    package = Path(emoscribe.__file__).parent
    bundled = package / "bundled_service"
    return bundled if bundled.is_dir() else package.parent


def _run(settings: Settings, command: Sequence[str]) -> None:
    """Run until it ends or is told to; the exit code is its own."""
    folder = service_folder()
    with tempfile.TemporaryDirectory(prefix="emoscribe-serve-") as home:
        arguments = [*command, "--host", _address(settings.host), "--port", str(settings.port)]
        process = subprocess.Popen(  # noqa: S603  # no shell; see the import
            [sys.executable, *arguments, "--working-dir", str(folder)],
            env=_environment(settings, home),
            cwd=folder,
        )
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the process itself
        raise typer.Exit(max(process.wait(), 0))


def _environment(settings: Settings, home: str) -> Mapping[str, str]:
    """With a home of its own for BentoML, which empties the folder of metrics there at each start."""
    ours = {
        "EMOSCRIBE_HOST": settings.host,
        "EMOSCRIBE_PORT": str(settings.port),
        "EMOSCRIBE_DRAIN_S": str(settings.drain_s or 0),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": home,
        "TMPDIR": home,  # where it leaves a folder for each process that was killed
    }
    return {**os.environ, **ours}
