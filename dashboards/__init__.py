"""The Grafana dashboards as a program: descriptions in, provisioning files out.

``pages`` holds the dashboards, ``queries`` what their panels ask, ``style`` colours and units, and ``names``
takes every metric, measurement, view and column from the exporter's own declarations. Only ``render`` and its
helpers (``panel_builders``, ``columns``, ``targets``) know grafana-foundation-sdk. The output depends on
nothing but the code: two runs write the same bytes.
"""
