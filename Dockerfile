FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

RUN python -m venv /opt/dispatch
WORKDIR /src

# The dependencies have a layer of their own, which is built again only when one of these two files changes.
COPY pyproject.toml constraints.txt ./
RUN touch README.md && /opt/dispatch/bin/pip install --constraint constraints.txt '.[files]'

COPY . .
RUN /opt/dispatch/bin/pip install --no-deps --force-reinstall . \
    && /opt/dispatch/bin/python -m compileall -q /opt/dispatch/lib


FROM python:3.13-slim

# Orchestrators compare this number with "must not be root".
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin dispatch
COPY --from=build /opt/dispatch /opt/dispatch

ENV PATH=/opt/dispatch/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /data
STOPSIGNAL SIGTERM

# docker-compose.yml gives the command of each process; a container runs one process.
CMD ["dispatch", "--help"]
