# Portcullis. `make demo` and `make test` set up by themselves what they need.
SHELL := /bin/bash
GO ?= go
export CGO_ENABLED := 0
export GOTOOLCHAIN := local

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 30s

.PHONY: build demo deploy test test-go test-race test-conformance lint fuzz bench clean

build: portcullis ## one static binary

.PHONY: portcullis
portcullis:
	@echo "building ./portcullis (the first build compiles the dependencies: about two minutes)"
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o portcullis ./cmd/portcullis

demo: portcullis ## the gateway in front of a real MCP server, ready to try
	./portcullis demo

test: test-race test-conformance ## every test: unit, race, fuzz seeds, stories, official suites

test-race: ## Go tests under the race detector (needs a C compiler; without one, the same tests plain)
	@scripts/go-test

test-conformance: portcullis ## official suites and clients through the gateway (fetches npm packages into .tools)
	@scripts/setup-tools
	$(GO) test -count=1 -timeout 15m -tags conformance ./test/conformance/... ./test/zkp ./test/telemetry ./test/deploy ./test/harden ./internal/harden/generate

lint: ## formatting, vet, staticcheck and the structure tests
	@scripts/lint

fuzz: ## every fuzz target for FUZZTIME each
	@FUZZTIME=$(FUZZTIME) scripts/fuzz

bench: portcullis ## Go benchmarks, then the gateway beside a reverse proxy and nginx
	$(GO) test -run '^$$' -bench . -benchmem ./internal/protocol/... ./internal/ratelimit ./internal/authn/... ./internal/authz/... ./internal/edge ./internal/ipfilter ./internal/audit/... ./auditlog ./gateway
	$(GO) build -o bin/bench ./test/bench
	./bin/bench -bin ./portcullis -soak 1000000

deploy: ## deploy/ and our workflows, as portcullis generate writes them
	$(GO) test -count=1 ./internal/harden/generate -update

clean:
	rm -rf portcullis bin dist
