# Airbyte's base for Python connectors. Any image with Python 3.10 to 3.14 serves as well:
#   docker build --build-arg BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm .
# It has a FROM line of its own because Dependabot reads those, and no ARG.
ARG BASE_IMAGE=airbyte-base
FROM docker.io/airbyte/python-connector-base:4.1.1@sha256:a268b44c733ae699a60f5fbc06a324945dba98945c6e2ab7f8609f2f895b0d28 AS airbyte-base

FROM ${BASE_IMAGE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build

# The build back end stays behind in /build/venv; the image takes /opt/source-iterable alone.
RUN python3 -m venv /build/venv && python3 -m venv --without-pip /opt/source-iterable

# Dependencies in a layer of their own, rebuilt only when the lock changes. Wheels only: nothing is compiled here.
COPY requirements/runtime.lock requirements/build.lock requirements/
RUN /build/venv/bin/pip install --quiet --require-hashes --only-binary :all: --requirement requirements/build.lock \
    && /build/venv/bin/pip --python /opt/source-iterable/bin/python install --quiet --require-hashes \
        --only-binary :all: --requirement requirements/runtime.lock

COPY pyproject.toml README.md LICENSE ./
COPY source_iterable ./source_iterable
RUN /build/venv/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /build/dist . \
    && /build/venv/bin/pip --python /opt/source-iterable/bin/python install --quiet --no-deps /build/dist/*.whl

FROM ${BASE_IMAGE}

LABEL io.airbyte.name="airbyte/source-iterable" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.title="source-iterable" \
      org.opencontainers.image.description="Airbyte source connector for Iterable" \
      org.opencontainers.image.licenses="MIT"

COPY --from=builder /opt/source-iterable /opt/source-iterable

# Any uid may run the connector, one without a home folder too: /tmp is the only place it writes to.
ENV PATH="/opt/source-iterable/bin:${PATH}" \
    HOME=/tmp \
    TMPDIR=/tmp \
    AIRBYTE_ENTRYPOINT="/opt/source-iterable/bin/source-iterable"

WORKDIR /airbyte/integration_code
USER 1000:1000

ENTRYPOINT ["/opt/source-iterable/bin/source-iterable"]
