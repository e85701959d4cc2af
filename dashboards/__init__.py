"""The Grafana dashboards as a program: descriptions in, provisioning files out.

``pages`` says what each dashboard shows, ``queries`` what it asks, ``style`` what things look like, and
``names`` takes every metric, measurement, view and column from the exporter's own declarations. Only
``render`` and what it uses (``looks``, ``columns``, ``targets``) know grafana-foundation-sdk. Output depends
on nothing but the code: two runs write the same bytes.
"""
