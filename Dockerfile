FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/stocky
COPY requirements.txt ./
RUN /opt/stocky/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY sql sql
COPY stocky stocky
RUN /opt/stocky/bin/pip install --no-cache-dir --no-deps . \
 && /opt/stocky/bin/python -m stocky.pages

FROM python:3.12-slim
LABEL org.opencontainers.image.title="Stocky" \
      org.opencontainers.image.description="A self-hosted inventory service: barcode scanners post scans, Stocky keeps exact counts" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --no-create-home stocky \
 && install -d -o stocky -g stocky /data
COPY --from=build /opt/stocky /opt/stocky
COPY container/healthcheck /opt/stocky/healthcheck
# LOGNAME: migrations record the name of their user, and a user set by `docker run --user` has none.
ENV PATH=/opt/stocky/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOGNAME=stocky \
    STOCKY_DATA_DIR=/data \
    STOCKY_HOST=0.0.0.0
USER stocky
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/bin/bash", "/opt/stocky/healthcheck"]
CMD ["stocky", "serve"]
