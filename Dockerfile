# The worker image: what AWS Lambda runs. It holds worker/ and its pinned dependencies, nothing of the launcher.
#
# Nothing is executed in the last stage, so that an image for one architecture is built on a machine of another
# without emulation: the first stage runs on the machine's own, fetches what the other needs ready compiled, and
# compiles the worker's request path for it.
# BuildKit sets the three arguments about platforms by itself; `grapeshot image build` sets them for any engine, and
# names the two variants of the base apart, which the classic builder would take for one.
ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.13-slim-bookworm
ARG BUILD_IMAGE=${BASE_IMAGE}
ARG BUILDPLATFORM
ARG TARGETPLATFORM

FROM --platform=${BUILDPLATFORM:-linux/amd64} ${BUILD_IMAGE} AS build
SHELL ["/bin/sh", "-euc"]

# Dependencies: by hash, and only such as come compiled; the platforms are the C libraries that the base can serve.
COPY worker/requirements.txt worker/slim.py /build/
ARG TARGETARCH
RUN case "${TARGETARCH:-$(uname -m)}" in \
        amd64 | x86_64) machine=x86_64 ;; \
        arm64 | aarch64) machine=aarch64 ;; \
        *) echo "no such architecture: ${TARGETARCH}" >&2; exit 1 ;; \
    esac; \
    python3 -m venv --without-pip /opt/grapeshot; \
    site="$(echo /opt/grapeshot/lib/python3.*/site-packages)"; \
    python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
        --require-hashes --no-deps --only-binary=:all: --target "${site}" \
        --platform "manylinux_2_28_${machine}" \
        --platform "manylinux_2_17_${machine}" \
        --platform "manylinux2014_${machine}" \
        --requirement /build/requirements.txt; \
    python3 /build/slim.py "${site}"; \
    echo /var/task > "${site}/grapeshot.pth"; \
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "${site}"; \
    # Without the C++ library the runtime client's absence would show at its first use only: in Lambda.
    if [ "$(uname -m)" = "${machine}" ]; then /opt/grapeshot/bin/python3 -c 'import runtime_client'; fi

# What compiles the worker: tools for this machine, whatever the other is. They stay in this stage.
COPY worker/requirements-compile.txt worker/compile.py /build/
RUN if python3 /build/compile.py; then \
        python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
            --require-hashes --no-deps --only-binary=:all: --target /build/tools --requirement /build/requirements-compile.txt; \
    fi

# The worker itself, in a layer of its own: it changes more often than what it depends on.
COPY worker/pyproject.toml /build/
COPY worker/grapeshot_worker /var/task/grapeshot_worker
RUN version="$(python3 -c 'import tomllib; print(tomllib.load(open("/build/pyproject.toml", "rb"))["project"]["version"])')"; \
    mkdir "/var/task/grapeshot_worker-${version}.dist-info"; \
    printf 'Metadata-Version: 2.1\nName: grapeshot-worker\nVersion: %s\n' "${version}" \
        > "/var/task/grapeshot_worker-${version}.dist-info/METADATA"; \
    if [ -d /build/tools ]; then PYTHONPATH=/build/tools python3 /build/compile.py /var/task "${TARGETARCH:-$(uname -m)}"; fi; \
    python3 -m compileall -q --invalidation-mode unchecked-hash /var/task

FROM --platform=${TARGETPLATFORM:-linux/amd64} ${BASE_IMAGE}
LABEL org.opencontainers.image.title="grapeshot-worker" \
      org.opencontainers.image.description="Makes load for Grapeshot in AWS Lambda" \
      org.opencontainers.image.licenses="Apache-2.0"
# Lambda mounts everything but /tmp read-only: the compiled files above are all there will be.
ENV PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    LANG=C.UTF-8
COPY --from=build /opt/grapeshot /opt/grapeshot
COPY --from=build /var/task /var/task
WORKDIR /var/task
# By number: the base need not know a user, and creating one would execute something.
USER 65534:65534
ENTRYPOINT ["/opt/grapeshot/bin/python3", "-m", "awslambdaric"]
CMD ["grapeshot_worker.handler.handler"]
