// Package synthetic makes up what a gateway of a company sees in a month: two
// hundred callers with their working days, nights, holidays, habits and
// mishaps, and among them attacks that are written down, so that detection can
// be measured. The same seed makes the same month.
package synthetic
