"""Out-of-distribution detection: how well a score separates two image sets, and means, each with its interval."""

from glowjax.ood.metrics import DetectionMetrics, Interval, Mean, detection_metrics, mean_with_interval

__all__ = ["DetectionMetrics", "Interval", "Mean", "detection_metrics", "mean_with_interval"]
