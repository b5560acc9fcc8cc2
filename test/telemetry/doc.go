// Package telemetry tests what a whole gateway shows of itself to collectors of
// traces, to Prometheus and in its log.
package telemetry
