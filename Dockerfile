# The exporter and the rules tools. Works with a read-only root; what it keeps is in /data.
#
#   docker run --read-only -v billingwatch:/data -v ./tenants.yaml:/etc/billingwatch/tenants.yaml:ro \
#     -p 8000:8000 billingwatch-exporter
#
# Publish 8000 to your proxy, which speaks TLS to Stripe. 9847 is for Prometheus: keep it on the internal network.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/runtime.lock requirements/build.lock requirements/
RUN python -m venv /opt/billingwatch \
 && /opt/billingwatch/bin/pip install --require-hashes --only-binary :all: --requirement requirements/runtime.lock
RUN pip install --require-hashes --only-binary :all: --requirement requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY exporter/bw_exporter exporter/bw_exporter
COPY exporter/bw_simulator exporter/bw_simulator
COPY rules/bw_rules rules/bw_rules
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/billingwatch/bin/pip install --no-deps --no-index /wheels/*.whl \
 && /opt/billingwatch/bin/python -m compileall -q /opt/billingwatch/lib

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin billingwatch \
 && install --directory --owner 10001 --group 10001 /data
COPY --from=build /opt/billingwatch /opt/billingwatch
ENV PATH=/opt/billingwatch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    BW_CONFIG_FILE=/etc/billingwatch/tenants.yaml \
    BW_STORAGE_URL=sqlite:////data/billingwatch.db \
    BW_WEB_WEBHOOK_ADDRESS=0.0.0.0:8000 \
    BW_WEB_METRICS_ADDRESS=0.0.0.0:9847
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000 9847
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=20s CMD ["python", "-m", "bw_exporter.healthcheck"]
ENTRYPOINT ["bw-exporter"]
CMD ["serve"]
