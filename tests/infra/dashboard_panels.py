"""What the Grafana dashboard shows: rows of panels, each with its queries."""

from dataclasses import dataclass, field
from typing import Final

NS: Final = 'namespace=~"$namespace"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `needs`: an exporter or deployment without which it stays empty."""

    title: str
    queries: dict[str, str]  # legend -> PromQL
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    meaning: str = ""
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels."""

    title: str
    panels: list[Panel] = field(default_factory=list)


def _sum(expression: str, by: str = "") -> str:
    return f"sum by ({by}) ({expression})" if by else f"sum({expression})"


def _rate(metric: str, selector: str = "", window: str = "$__rate_interval") -> str:
    inside = f"{NS}, {selector}" if selector else NS
    return f"rate({metric}{{{inside}}}[{window}])"


def _quantile(of: float, metric: str, by: str = "le", selector: str = "") -> str:
    return f"histogram_quantile({of}, {_sum(_rate(f'{metric}_bucket', selector), by)})"


BUSINESS: Final = Row(
    "Business",
    [
        Panel(
            "Audio analysed, hours a day",
            {"hours": f"{_sum(f'increase(emoscribe_audio_seconds_total{{{NS}}}[1d])')} / 3600"},
            unit="h",
            kind="stat",
            width=4,
        ),
        Panel(
            "Results a day",
            {"jobs": _sum(f'increase(emoscribe_job_attempts_total{{{NS}, outcome="done"}}[1d])')},
            kind="stat",
            width=4,
        ),
        Panel(
            "To review, share of sentences",
            {
                "share": f"{_sum(f'increase(emoscribe_sentences_to_review_total{{{NS}}}[1d])')}"
                f" / {_sum(f'increase(emoscribe_sentences_total{{{NS}}}[1d])')}"
            },
            unit="percentunit",
            kind="stat",
            width=4,
        ),
        Panel(
            "Times real time, as a whole",
            {"audio per second": _sum(_rate("emoscribe_audio_seconds_total"))},
            width=12,
            meaning="Seconds of audio whose results were published, a second.",
        ),
        Panel(
            "Labels",
            {"{{label}}": f"{_sum(_rate('emoscribe_sentences_total', window='1h'), 'label')}"},
            width=12,
            meaning="Sentences a second. A mix that shifts says that the input has changed, or a model.",
        ),
        Panel(
            "Why sentences are flagged",
            {"{{reason}}": _sum(_rate("emoscribe_review_reasons_total", window="1h"), "reason")},
            width=12,
        ),
    ],
)

QUEUE: Final = Row(
    "Queue",
    [
        Panel(
            "Jobs",
            {
                "waiting": f"max(emoscribe_waiting_jobs{{{NS}}})",
                "running": f"sum(emoscribe_running_jobs{{{NS}}})",
            },
        ),
        Panel(
            "Oldest waiting job",
            {
                "local store": f"max(emoscribe_oldest_waiting_job_seconds{{{NS}}})",
                "SQS": "max(aws_sqs_approximate_age_of_oldest_message_maximum"
                '{dimension_QueueName=~"emoscribe.*", dimension_QueueName!~".*[Dd]ead.*"})',
            },
            unit="s",
        ),
        Panel(
            "From submission to the first attempt",
            {
                "median": _quantile(0.5, "emoscribe_job_wait_seconds"),
                "95 %": _quantile(0.95, "emoscribe_job_wait_seconds"),
            },
            unit="s",
        ),
        Panel("Dead letters", {"messages": f"max(emoscribe_dead_letters{{{NS}}})"}, needs="SQS"),
        Panel("The job store answers", {"up": f"min(emoscribe_job_store_up{{{NS}}})"}, kind="stat"),
        Panel(
            "Since a worker last heard of progress",
            {"{{instance}}": f"time() - emoscribe_last_job_event_timestamp_seconds{{{NS}}}"},
            unit="s",
        ),
    ],
)

JOBS: Final = Row(
    "Jobs",
    [
        Panel(
            "Attempts by outcome",
            {"{{outcome}}": _sum(f"increase(emoscribe_job_attempts_total{{{NS}}}[$__rate_interval])", "outcome")},
        ),
        Panel(
            "Failed attempts by error",
            {
                "{{error_code}}": _sum(
                    f'increase(emoscribe_job_attempts_total{{{NS}, outcome="failed"}}[$__rate_interval])', "error_code"
                )
            },
            meaning="docs/errors.md says what each code means. Empty while nothing fails.",
        ),
        Panel(
            "Calls back",
            {"{{outcome}}": _sum(f"increase(emoscribe_callbacks_total{{{NS}}}[$__rate_interval])", "outcome")},
        ),
    ],
)

STAGES: Final = Row(
    "Stages",
    [
        Panel(
            "Time of a recording in each stage, median",
            {"{{stage}}": _quantile(0.5, "emoscribe_stage_seconds", "le, stage")},
            unit="s",
            width=12,
        ),
        Panel(
            "Times real time of a recording",
            {
                "slowest tenth": _quantile(0.1, "emoscribe_times_real_time"),
                "median": _quantile(0.5, "emoscribe_times_real_time"),
            },
            width=12,
        ),
    ],
)

RUNNERS: Final = Row(
    "Runners",
    [
        Panel(
            "Clips in a batch of Whisper",
            {
                "{{task}}": f"{_sum(_rate('emoscribe_transcriber_batch_clips_sum'), 'task')}"
                f" / {_sum(_rate('emoscribe_transcriber_batch_clips_count'), 'task')}"
            },
            meaning="The mean. Near EMOSCRIBE_RUNNER_BATCH_CLIPS: another transcriber would help.",
        ),
        Panel(
            "Calls in flight",
            {"{{service_name}}": _sum(f"bentoml_service_request_in_progress{{{NS}}}", "service_name")},
        ),
        Panel(
            "Demand",
            {"{{runner}}": _sum(f"emoscribe_runner_demand{{{NS}}}", "runner")},
            meaning="Calls under way or waiting, as the callers see it: what wakes a runner from zero.",
        ),
        Panel(
            "Calls by outcome",
            {"{{runner}} {{outcome}}": _sum(_rate("emoscribe_runner_calls_total"), "runner, outcome")},
        ),
        Panel(
            "Time of a call in the runner, 95 %",
            {"{{service_name}}": _quantile(0.95, "bentoml_service_request_duration_seconds", "le, service_name")},
            unit="s",
        ),
        Panel("Where Whisper computes", {"{{device}}": _sum(f"emoscribe_transcriber_device_info{{{NS}}}", "device")}),
        Panel(
            "GPU",
            {
                "{{gpu}} busy": 'DCGM_FI_DEV_GPU_UTIL{exported_namespace=~"$namespace"} / 100',
                "{{gpu}} memory": 'DCGM_FI_DEV_FB_USED{exported_namespace=~"$namespace"}'
                " / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)",
            },
            unit="percentunit",
            needs="dcgm-exporter",
        ),
        Panel(
            "Replicas",
            {"{{deployment}}": f"kube_deployment_status_replicas{{{NS}}}"},
            needs="kube-state-metrics",
        ),
        Panel(
            "Pods that are not ready",
            {"{{pod}}": f'kube_pod_status_ready{{{NS}, condition="false"}} == 1'},
            needs="kube-state-metrics",
        ),
    ],
)

API: Final = Row(
    "API",
    [
        Panel("Requests", {"{{status}}": _sum(_rate("emoscribe_http_requests_total"), "status")}, unit="reqps"),
        Panel(
            "Until the response begins, 95 %",
            {"{{method}} {{route}}": _quantile(0.95, "emoscribe_http_request_seconds", "le, method, route")},
            unit="s",
            meaning="An upload counts while it arrives, `Prefer: wait` while it waits.",
        ),
        Panel("Under way", {"requests": _sum(f"emoscribe_http_requests_under_way{{{NS}}}")}),
        Panel("Refused", {"{{status}}": _sum(_rate("emoscribe_http_refusals_total"), "status")}, unit="reqps"),
    ],
)

RESOURCES: Final = Row(
    "Resources",
    [
        Panel("Memory", {"{{part}} {{instance}}": f"emoscribe_memory_bytes{{{NS}}}"}, unit="bytes"),
        Panel("CPU", {"{{part}}": _sum(_rate("emoscribe_cpu_seconds_total"), "part")}, meaning="Cores at work."),
        Panel(
            "Disk left",
            {"{{folder}} {{instance}}": f"emoscribe_disk_free_bytes{{{NS}}} / emoscribe_disk_bytes"},
            unit="percentunit",
        ),
        Panel("Uploads being received", {"{{instance}}": f"emoscribe_spool_bytes{{{NS}}}"}, unit="bytes"),
        Panel(
            "Memory of the limit",
            {
                "{{pod}}": f'max by (pod) (container_memory_working_set_bytes{{{NS}, container!=""}})'
                f' / on (pod) max by (pod) (kube_pod_container_resource_limits{{{NS}, resource="memory"}})'
            },
            unit="percentunit",
            needs="cAdvisor and kube-state-metrics",
        ),
        Panel("Versions", {"{{part}} {{version}}": _sum(f"emoscribe_build_info{{{NS}}}", "part, version")}),
        Panel("Models", {"{{model}} {{version}}": _sum(f"emoscribe_model_info{{{NS}}}", "model, version")}),
        Panel("Running since", {"{{part}} {{instance}}": f"time() - emoscribe_start_time_seconds{{{NS}}}"}, unit="s"),
    ],
)

COST: Final = Row(
    "Cost",
    [
        Panel(
            "CPU seconds for an hour of audio",
            {
                "{{part}}": f"3600 * {_sum(f'increase(emoscribe_cpu_seconds_total{{{NS}}}[$__range])', 'part')}"
                f" / scalar({_sum(f'increase(emoscribe_audio_seconds_total{{{NS}}}[$__range])')})"
            },
            unit="s",
            kind="stat",
            width=12,
            meaning="Over the chosen range, idle time included. docs/operations.md has the figures to compare.",
        ),
        Panel(
            "CPU price of an hour of audio",
            {
                "price": f"$cpu_hour_price * {_sum(f'increase(emoscribe_cpu_seconds_total{{{NS}}}[$__range])')}"
                f" / {_sum(f'increase(emoscribe_audio_seconds_total{{{NS}}}[$__range])')}"
            },
            kind="stat",
            width=6,
            meaning="If only CPU at work were paid for. What machines cost that wait is not in it.",
        ),
        Panel(
            "Price of what is reserved, an hour",
            {"price": f'$cpu_hour_price * sum(kube_pod_container_resource_requests{{{NS}, resource="cpu"}})'},
            kind="stat",
            width=6,
            needs="kube-state-metrics",
        ),
    ],
)

ROWS: Final = (BUSINESS, QUEUE, JOBS, STAGES, RUNNERS, API, RESOURCES, COST)
