# Stage 1 gathers every wheel: the third parties' only if their hash is known, ours built from this folder.
FROM python:3.11-slim-bookworm AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY locks locks
RUN pip install --require-hashes --only-binary :all: --requirement locks/build.txt \
    && pip download --require-hashes --only-binary :all: --no-deps --dest /wheels --requirement locks/runtime.txt
COPY . .
RUN sed 's/^-e //' requirements-workspace.txt \
    | xargs pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels

# Stage 2 has Python, the wheels, and a user who owns nothing but /data.
FROM python:3.11-slim-bookworm
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --disable-pip-version-check --root-user-action=ignore --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
ENV HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    DB_PATH=/data/trader.sqlite3 \
    INSTANCE_LOCK_PATH=/data/cab.lock
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 CMD ["cab", "health", "--ready"]
ENTRYPOINT ["cab"]
CMD ["run"]
