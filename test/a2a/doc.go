// Package a2a holds the tests of routes to A2A agents, with official clients
// and agents on both sides of a whole gateway, and with hostile ones.
package a2a
