"""The parts of grafana-foundation-sdk that are used, imported in one place.

Importing any panel builder warns that ``dashboardv2`` is preferred; file provisioning of Grafana 10 to 13
takes only the classic format, so the warning is refused here and nowhere else.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        heatmap,
        prometheus,
        stat,
        statetimeline,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.cog import builder as cog
    from grafana_foundation_sdk.cog import encoder, variants
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models import heatmap as heatmap_models

__all__ = [
    "bargauge",
    "cog",
    "common",
    "common_models",
    "dashboard",
    "encoder",
    "heatmap",
    "heatmap_models",
    "models",
    "prometheus",
    "stat",
    "statetimeline",
    "table",
    "timeseries",
    "variants",
]
