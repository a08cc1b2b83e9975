"""Metrics of others that the rules and the dashboard read, by who exposes them; from the exporters' documentation."""

from typing import Final

EXPORTERS: Final[dict[str, frozenset[str]]] = {
    "Prometheus": frozenset({"up"}),
    "kube-state-metrics": frozenset(
        {
            "kube_deployment_status_replicas",
            "kube_horizontalpodautoscaler_spec_max_replicas",
            "kube_horizontalpodautoscaler_status_current_replicas",
            "kube_pod_container_resource_limits",
            "kube_pod_container_resource_requests",
            "kube_pod_container_status_last_terminated_reason",
            "kube_pod_container_status_restarts_total",
            "kube_pod_status_phase",
            "kube_pod_status_ready",
        }
    ),
    "kubelet": frozenset(
        {
            "container_memory_working_set_bytes",
            "kubelet_volume_stats_available_bytes",
            "kubelet_volume_stats_capacity_bytes",
        }
    ),
    "KEDA": frozenset({"keda_scaled_object_errors_total"}),
    "dcgm-exporter": frozenset(
        {"DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_XID_ERRORS"}
    ),
    "yace": frozenset(
        {
            "aws_sqs_approximate_age_of_oldest_message_maximum",
            "aws_sqs_approximate_number_of_messages_visible_maximum",
        }
    ),
    "blackbox-exporter": frozenset({"probe_ssl_earliest_cert_expiry"}),
}
CLOUD_ONLY: Final = frozenset({"emoscribe_dead_letters"})  # ours, but only with SQS: tests/unit/test_metrics.py


def of_exporters() -> set[str]:
    """All of them."""
    return {name for names in EXPORTERS.values() for name in names}
