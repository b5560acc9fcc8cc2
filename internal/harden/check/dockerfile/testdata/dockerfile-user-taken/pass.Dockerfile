FROM node:24-alpine@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c
RUN addgroup -g 10001 agent && adduser -u 10001 -G agent -D agent
