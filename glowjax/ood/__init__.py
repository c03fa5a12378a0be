"""Out-of-distribution detection: scores of single images, and how well a score separates two sets."""

from glowjax.ood.metrics import DetectionMetrics, Interval, Mean, detection_metrics, mean_with_interval

__all__ = ["DetectionMetrics", "Interval", "Mean", "detection_metrics", "mean_with_interval"]
