// Package compose judges Compose files: which ports and files of the host a
// service gets, with which rights it runs, and what it is made of.
package compose
