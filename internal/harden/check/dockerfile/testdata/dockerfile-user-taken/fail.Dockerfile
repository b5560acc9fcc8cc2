FROM node:24-alpine@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c
RUN addgroup -g 1000 agent && adduser -u 1000 -G agent -D agent
