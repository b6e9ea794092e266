# syntax=docker/dockerfile:1

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/paybot
COPY requirements.lock ./
RUN /opt/paybot/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY channels channels
COPY bot bot
RUN /opt/paybot/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
# A number that no user of the host has, so that a shared folder gives nothing away.
RUN groupadd --gid 10001 paybot \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin paybot \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/paybot /opt/paybot
ENV PATH=/opt/paybot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data \
    DATABASE_URL=sqlite:////data/paybot.db
USER 10001:10001
WORKDIR /data
# The only place that is written to: run with a read-only root.
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=2)"]
ENTRYPOINT ["paybot"]
CMD ["serve"]
