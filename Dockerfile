# syntax=docker/dockerfile:1
#
# Runs as uid 10001 with a read-only root; it writes to /data only. A separate build stage keeps pip's cache and
# the sources out of the image.

FROM python:3.13.9-slim-trixie AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/discord-exporter \
    && /opt/discord-exporter/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY discord_simulator discord_simulator
# The build backend is in the lock, so everything downloaded is checked by hash.
RUN /opt/discord-exporter/bin/pip install --no-cache-dir --disable-pip-version-check \
        --no-deps --no-build-isolation .

FROM python:3.13.9-slim-trixie
LABEL org.opencontainers.image.title="discord-exporter" \
      org.opencontainers.image.description="The observability stack for Discord communities" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin exporter \
    && install --directory --owner 10001 --group 10001 --mode 0750 /data
COPY --from=build /opt/discord-exporter /opt/discord-exporter
COPY config.yaml /etc/discord-exporter/config.yaml
ENV PATH=/opt/discord-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DISCORD_EXPORTER_DATA_DIR=/data \
    DISCORD_EXPORTER_LISTEN=0.0.0.0:9464 \
    DISCORD_EXPORTER_INSECURE=true
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 9464
# The program ends within 10 s of SIGTERM, the time Docker waits by default.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9464/healthz', timeout=2)"]
ENTRYPOINT ["discord-exporter"]
CMD ["run", "--config", "/etc/discord-exporter/config.yaml"]
