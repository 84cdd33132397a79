# The sandbox in a container, for programs of this machine:
#   docker build --tag kaspi-sandbox .
#   docker run --rm --network host kaspi-sandbox --speed 600 --webhook-url http://127.0.0.1:8000/webhooks
# On the host's network it listens on loopback and reaches your receiver there. On a bridge, add
# `--publish 127.0.0.1:8420:8420` and `--host 0.0.0.0`; webhooks then go to the container itself only.
FROM python:3.13-slim AS build
COPY . /source
RUN python -m venv /sandbox \
    && /sandbox/bin/pip install --no-cache-dir --constraint /source/constraints.txt "/source[cli,sandbox-page]"

FROM python:3.13-slim
COPY --from=build /sandbox /sandbox
USER 65534
EXPOSE 8420
HEALTHCHECK --interval=5s --timeout=3s \
    CMD ["/sandbox/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8420/_sandbox/')"]
ENTRYPOINT ["/sandbox/bin/kaspi-delivery", "sandbox", "serve"]
