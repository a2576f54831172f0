"""The sidecar: the same step again and again, for as long as the pod lives."""
