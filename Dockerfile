# Three images from one file: --target server, batch or web. `docker compose up --build` builds all of them.
# BuildKit is not needed. Behind a proxy, set the arguments below and fill the folders certificates/ and wheels/.
ARG BASE_IMAGE=debian:bookworm-20260824-slim

# The base of all images: Debian and its Python.
FROM ${BASE_IMAGE} AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /usr/share/doc /usr/share/man \
        /usr/lib/python3.11/lib2to3 /usr/lib/python3.11/pydoc_data /usr/lib/python3.11/test /usr/share/zoneinfo/right
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /app

# The installer. It is not part of an image.
FROM python AS builder
RUN apt-get update && apt-get install -y --no-install-recommends binutils ca-certificates python3-venv
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CERT=/etc/ssl/certs/ca-certificates.crt
COPY certificates/ /usr/local/share/ca-certificates/
ENV PACKAGES=/opt/venv/lib/python3.11/site-packages
RUN update-ca-certificates && python3 -m venv /opt/venv && echo /app > $PACKAGES/app.pth
COPY requirements/ requirements/
# A lock has the whole set of packages, with hashes. Packages without a wheel are built with the setuptools of `build`.
ENV INSTALL="pip install --require-hashes --no-deps --no-build-isolation"
RUN $INSTALL -r requirements/build.txt

FROM builder AS batch-build
# More locks of requirements/, such as "postgresql s3". Older names, such as sources-s3, keep working.
ARG EXTRAS=""
RUN set -e; for name in batch $EXTRAS; do $INSTALL -r requirements/${name#sources-}.txt; done
COPY deploy/slim-packages.sh /
RUN pip uninstall -y pip setuptools && cd $PACKAGES && sh /slim-packages.sh
COPY deploy/container_batch_client.py /opt/venv/bin/batch-client
RUN chmod 755 /opt/venv/bin/batch-client
COPY results/ results/
COPY service_client/ service_client/
COPY batch_client/ batch_client/
# If slimming removed too much or a room is missing, the build fails here, and not a run at night.
RUN python3 -m compileall -q . && batch-client --help >/dev/null

FROM python AS batch
COPY --from=batch-build /opt/venv /opt/venv
COPY --from=batch-build /app/results results
COPY --from=batch-build /app/service_client service_client
COPY --from=batch-build /app/batch_client batch_client
ENV INBOX=/inbox RESULTS_DB=/data/results.db PROCESSED_DIR=/data/processed QUARANTINE_DIR=/data/quarantine \
    MEDIA_DIR=/data/media REPORT_DIR=/data/reports LOG_DIR=/logs TORCHSERVE_URL=http://server:8080 TORCHSERVE_TOKEN_FILE=/run/keys/inference
USER 1000:1000
HEALTHCHECK --interval=20s --timeout=30s --start-period=120s CMD ["batch-client", "status"]
CMD ["batch-client", "schedule"]

FROM builder AS web-build
ARG EXTRAS=""
RUN set -e; for name in web $EXTRAS; do $INSTALL -r requirements/${name#sources-}.txt; done
COPY deploy/slim-packages.sh /
RUN pip uninstall -y pip setuptools && cd $PACKAGES && sh /slim-packages.sh
COPY results/ results/
COPY service_client/ service_client/
COPY web/ web/
RUN python3 -m compileall -q . && python3 -m web --help >/dev/null

FROM python AS web
COPY --from=web-build /opt/venv /opt/venv
COPY --from=web-build /app/results results
COPY --from=web-build /app/service_client service_client
COPY --from=web-build /app/web web
ENV RESULTS_DB=/data/results.db MEDIA_DIR=/data/media WEB_DIR=/accounts WEB_HOST=0.0.0.0 \
    TORCHSERVE_URL=http://server:8080 TORCHSERVE_TOKEN_FILE=/run/keys/inference
EXPOSE 8000
USER 1000:1000
HEALTHCHECK --interval=20s --timeout=30s --start-period=120s CMD ["python3", "-m", "web", "status"]
CMD ["python3", "-m", "web", "serve"]

FROM builder AS server-packages
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY wheels/ /wheels/
# The CPU build only: the registry's build of torch brings gigabytes of CUDA.
RUN torch=$(grep -o '^torch==[0-9.]*' requirements/torch.txt) \
    && (pip install --no-deps --find-links /wheels "$torch+cpu" || pip install --no-deps --index-url "$TORCH_INDEX_URL" "$torch") \
    && $INSTALL -r requirements/serving.txt

# Build the archive, and verify it in a clean process.
FROM server-packages AS archive
COPY handler/ handler/
COPY export/ export/
COPY model/ model/
# One copy under both its names; candidate.mar is the place for the next version, see docs/deployment.md.
RUN python3 -m export build && cd model_store && ln -s /models/candidate.mar candidate.mar \
    && for name in refund_classifier-*.mar; do ln -sf refund_classifier.mar "$name"; done

# What the server loads.
FROM server-packages AS server-build
COPY deploy/slim-packages.sh /
RUN pip uninstall -y pip setuptools sympy mpmath networkx torch-model-archiver && cd $PACKAGES && sh /slim-packages.sh \
    && python3 -c "import ts.model_service_worker, openvino, pillow_heif, simplejpeg, torch.nn.utils.fusion, safetensors.torch"
COPY serving/ serving/
RUN python3 -m compileall -q serving

FROM python AS server
COPY --from=server-build /opt/venv /opt/venv
COPY --from=archive /app/model_store model_store
COPY --from=server-build /app/serving serving
COPY config.properties .
ENV TS_INFERENCE_ADDRESS=http://0.0.0.0:8080 SERVING_STATE=/run/serving SERVING_KEY_FILE=/run/keys/inference LOG_DIR=/logs
EXPOSE 8080
USER 1000:1000
HEALTHCHECK --interval=20s --timeout=30s --start-period=120s CMD ["python3", "-m", "serving", "status"]
CMD ["python3", "-m", "serving", "run"]
