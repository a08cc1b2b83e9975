"""Short jobs by upload to S3 while API, worker and runners are killed (kill -9) at random.

    python -m tests.bench.chaos [--jobs 200] [--every 8]

Real processes and models; S3 and SQS by ministack on loopback. Ten events of one upload arrive again, out of order.
Checks: as many results as uploads, each once; queue and dead-letter queue empty; nothing temporary left.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from emoscribe.cli.serve import RUNNERS
from tests.bench.output import save
from tests.bench.short_recordings import cut
from tests.contract.cloud_backend import Aws, connect
from tests.servers import ACCESS_KEY, SECRET_KEY, ministack
from tests.service_processes import ServiceProcess

VICTIMS = ("EmoScribe", "BatchWorker", *RUNNERS)
PREFIX = "emoscribe/"
VISIBILITY_S = 60
GIVE_UP_S = 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--every", type=float, default=8.0, help="seconds between kills, on average")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with ministack() as server, tempfile.TemporaryDirectory() as folder:
        bucket = Bucket(connect(server.url, server.url))
        settings = {**bucket.settings(server.url), "TMPDIR": str(_made(Path(folder) / "tmp"))}
        recordings, _ = cut(Path(folder), asked.jobs, (5,))
        with ServiceProcess(["serve"], Path(folder), settings) as service:
            start = time.perf_counter()
            killer = Killer(service, asked.every, asked.seed)
            bucket.upload(recordings)
            bucket.wait(asked.jobs)
            killer.stop()
            wall_s = time.perf_counter() - start
            bucket.wait_until_quiet()
        report = {"jobs": asked.jobs, "wall_s": wall_s, "kills": dict(killer.kills), **bucket.verdict()}
        report["temporary_files"] = sorted(path.name for path in (Path(folder) / "tmp").iterdir())
    print(json.dumps(report, indent=2))
    save("chaos", report)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


class Bucket:
    """A bucket whose uploads become jobs, with its queues."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.queue, self.dead_letters = (
            aws.new_queue(name, VisibilityTimeout=str(VISIBILITY_S)) for name in ("jobs", "dead")
        )
        queue = {"QueueArn": aws.arn(self.queue), "Events": ["s3:ObjectCreated:*"]}
        aws.s3.put_bucket_notification_configuration(
            Bucket=aws.bucket, NotificationConfiguration={"QueueConfigurations": [queue]}
        )

    def settings(self, url: str) -> dict[str, str]:
        """For the service."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "EMOSCRIBE_JOBS_BUCKET": self.aws.bucket,
            "EMOSCRIBE_JOBS_PREFIX": PREFIX,
            "EMOSCRIBE_JOBS_QUEUE_URL": self.queue,
            "EMOSCRIBE_JOBS_DEAD_LETTER_URL": self.dead_letters,
            "EMOSCRIBE_S3_ENDPOINT_URL": url,
            "EMOSCRIBE_SQS_ENDPOINT_URL": url,
            "EMOSCRIBE_AWS_REGION": "us-east-1",
            "EMOSCRIBE_S3_UPLOADS": f"s3://{self.aws.bucket}/incoming/",
        }

    def upload(self, recordings: list[Path]) -> None:
        """All of them; the events of the first come ten times more, the last of them late."""
        for path in recordings:
            self.aws.s3.put_object(Bucket=self.aws.bucket, Key=f"incoming/{path.name}", Body=path.read_bytes())
        for delay_s in (0, 0, 0, 0, 0, 5, 5, 20, 20, 60):
            self.aws.sqs.send_message(
                QueueUrl=self.queue, MessageBody=self._event(recordings[0].name), DelaySeconds=delay_s
            )

    def _event(self, name: str) -> str:
        key = f"incoming/{name}"
        head = self.aws.s3.head_object(Bucket=self.aws.bucket, Key=key)
        thing = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"'), "sequencer": "00"}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
        return json.dumps({"Records": [record | {"s3": {"bucket": {"name": self.aws.bucket}, "object": thing}}]})

    def results(self) -> list[str]:
        """Keys of the analyses that are there."""
        return [key for key in self.keys(f"{PREFIX}results/") if key.endswith("/analysis.json")]

    def keys(self, prefix: str) -> list[str]:
        """Everything under the prefix."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.aws.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def wait(self, count: int) -> None:
        """Until so many have a result, or have failed for good. Raises AssertionError when it takes too long."""
        give_up_s, told = time.monotonic() + GIVE_UP_S, 0
        while (there := len(self.results()) + sum(self.messages(self.dead_letters))) < count:
            assert time.monotonic() < give_up_s, f"{there} of {count} ended"
            if there >= told + 20:
                told = there
                print(f"{there} of {count} ended, {time.monotonic() - give_up_s + GIVE_UP_S:.0f} s", flush=True)
            time.sleep(1)

    def wait_until_quiet(self) -> None:
        """Until the last late messages have been seen to."""
        give_up_s = time.monotonic() + 4 * VISIBILITY_S
        while any(self.messages(self.queue)) and time.monotonic() < give_up_s:
            time.sleep(1)

    def messages(self, queue: str) -> list[int]:
        """Visible, being worked on, delayed."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        return [int(answer["Attributes"].get(name, 0)) for name in names]

    def verdict(self) -> dict[str, Any]:
        """What is there at the end."""
        sources = Counter(key.split("/")[-3] for key in self.results())
        states = Counter(json.loads(self.read(key))["record"]["job"]["state"] for key in self.keys(f"{PREFIX}state/"))
        live = [key for key in self.keys(f"{PREFIX}files/") if "/live/" in key]
        return {
            "results": sum(sources.values()),
            "recordings_with_more_than_one_result": sum(count > 1 for count in sources.values()),
            "states": dict(states),
            "messages_left": sum(self.messages(self.queue)),
            "dead_letters": sum(self.messages(self.dead_letters)),
            "segments_left_over": len(live),
            "open_left_over": len(self.keys(f"{PREFIX}open/")),
        }

    def read(self, key: str) -> bytes:
        """An object."""
        content: bytes = self.aws.s3.get_object(Bucket=self.aws.bucket, Key=key)["Body"].read()
        return content


class Killer:
    """Kills one of the processes now and then, in a thread."""

    def __init__(self, service: ServiceProcess, every_s: float, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._service = service
        self._every_s = every_s
        self._chance = random.Random(seed)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(self._chance.uniform(0.2, 1.8) * self._every_s):
            victim = self._chance.choice(VICTIMS)
            if self._service.processes(f"--service-name {victim}"):
                self._service.kill(victim)
                self.kills[victim] += 1

    def stop(self) -> None:
        """No more."""
        self._is_over.set()
        self._thread.join()


if __name__ == "__main__":
    main()
