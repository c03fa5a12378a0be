"""Out-of-distribution detection and selective classification: how well a score separates images, with intervals."""

from glowjax.ood.metrics import DetectionDifference, DetectionMetrics, compare, detection_metrics
from glowjax.ood.selective import area_under_risk, compare_areas_under_risk, risk_coverage

__all__ = [
    "DetectionDifference",
    "DetectionMetrics",
    "area_under_risk",
    "compare",
    "compare_areas_under_risk",
    "detection_metrics",
    "risk_coverage",
]
