FROM python:3.13.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

RUN python -m venv /opt/dispatch
WORKDIR /src

# Every package is compared with a hash of lock/. The dependencies have a layer of their own, which is built again only
# when their lock changes.
COPY lock ./lock
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --requirement lock/build.txt \
    && /opt/dispatch/bin/pip install --require-hashes --requirement lock/run.txt

COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && /opt/dispatch/bin/pip install --no-deps --no-index /tmp/wheel/*.whl \
    && /opt/dispatch/bin/python -m compileall -q /opt/dispatch/lib


FROM python:3.13.11-slim-bookworm

# Orchestrators compare this number with "must not be root".
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin dispatch
COPY --from=build /opt/dispatch /opt/dispatch

ENV PATH=/opt/dispatch/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /data
STOPSIGNAL SIGTERM

# docker-compose.yml gives the command of each process; a container runs one process.
CMD ["dispatch", "--help"]
