// Package undumped keeps the memory of a process that holds secrets from being
// written to a core file or read by a neighbour.
package undumped
