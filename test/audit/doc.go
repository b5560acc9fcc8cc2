// Package audit puts the audit log through its whole life, with everything that
// works on it at once: journal, sealing, signed tree, retention, archive and
// index. Processes are killed in between, and files are changed.
package audit
