# The pipeline's programs; which one runs is the command (docker-compose.yml).
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 antispam && install --directory --owner antispam /data
WORKDIR /app

COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY pipeline ./pipeline
COPY dashboards ./dashboards
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

USER antispam
ENV ANTISPAM_DATA_DIR=/data PYTHONUNBUFFERED=1
VOLUME /data
CMD ["antispam", "--help"]
