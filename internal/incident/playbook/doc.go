// Package playbook runs the steps of a bad day in an order that keeps the
// evidence.
//
// A playbook is a TOML file: steps, each a named [Action] with arguments that
// are templated from the incident. Which actions there are is decided by who
// fills the [Registry]. A destructive step before evidence is preserved is
// refused (package order) unless a person insists.
package playbook
