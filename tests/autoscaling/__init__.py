"""KEDA, the HPA and a cluster in small: the scaling rules of `infra/kubernetes/`, simulated and carried out."""
