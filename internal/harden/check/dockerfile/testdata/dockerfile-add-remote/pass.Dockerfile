FROM debian:13-slim@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates=20250419 && rm -rf /var/lib/apt/lists/*
ADD --checksum=sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c https://example.com/geo.mmdb /data/geo.mmdb
COPY server /usr/local/bin/server
USER 10001:10001
HEALTHCHECK CMD ["/usr/local/bin/server", "health"]
ENTRYPOINT ["/usr/local/bin/server"]
