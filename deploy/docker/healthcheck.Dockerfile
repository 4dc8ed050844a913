# Lines for a Dockerfile: envdoctor in a folder of its own, and a container that says by itself that its GPU is gone.
FROM REGISTRY/train@sha256:DIGEST

RUN python3 -m venv /opt/envdoctor && /opt/envdoctor/bin/pip install --no-cache-dir envdoctor==0.1.0

# Docker knows 0 (healthy) and 1 (unhealthy), and has reserved 2: only a found fault makes the container unhealthy
HEALTHCHECK --interval=10m --timeout=30s --start-period=30s --retries=2 \
    CMD /opt/envdoctor/bin/envdoctor preflight --static --require gpu --report nagios=- ; [ $? -ne 1 ]
