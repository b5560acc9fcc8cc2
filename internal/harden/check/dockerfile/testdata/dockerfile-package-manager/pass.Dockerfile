FROM debian:13-slim@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates=20250419 && rm -rf /var/lib/apt/lists/*

FROM gcr.io/distroless/base-debian13:nonroot@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c
COPY --from=build /etc/ssl/certs /etc/ssl/certs
COPY server /usr/local/bin/server
USER 10001:10001
HEALTHCHECK CMD ["/usr/local/bin/server", "health"]
ENTRYPOINT ["/usr/local/bin/server"]
