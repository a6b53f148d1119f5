# One image, every process: `docker run arqade api`, `docker run arqade worker`.
#
# Two locks feed it: deploy/build.lock builds the wheel, deploy/image.lock is what runs
# (requirements.lock without the tools for tests and without the embedded servers).

ARG PYTHON_IMAGE=docker.io/library/python:3.13.16-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src

# Dependencies first: they change less often than the code.
COPY deploy/build.lock deploy/image.lock deploy/
RUN python -m venv /build \
 && /build/bin/pip install --require-hashes -r deploy/build.lock \
 && python -m venv /opt/arqade \
 && /opt/arqade/bin/pip install --require-hashes --only-binary :all: -r deploy/image.lock

COPY pyproject.toml README.md LICENSE ./
COPY apps apps
COPY libs libs
RUN /build/bin/python -m hatchling build --target wheel --directory dist \
 && /opt/arqade/bin/pip install --no-index --no-deps dist/arqade-*.whl \
 && /opt/arqade/bin/pip check \
 && /opt/arqade/bin/pip uninstall --yes pip


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Arqade" \
      org.opencontainers.image.description="Inference backends as one multi-tenant job API" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"

# HOST: inside a container, loopback would be reachable by nobody.
ENV PATH=/opt/arqade/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000

COPY --from=build /opt/arqade /opt/arqade

# A number, so that Kubernetes can see that it is not root. Nothing is written but to /tmp.
USER 10001:10001
WORKDIR /srv
EXPOSE 8000

# For the API; a worker listens on nothing, so compose and Kubernetes switch it off there.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", \
         "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/ping', timeout=2)"]

ENTRYPOINT ["arqade"]
CMD ["api"]
