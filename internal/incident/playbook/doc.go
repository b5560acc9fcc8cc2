// Package playbook runs the steps of a bad day in an order that keeps the
// evidence.
//
// A [Playbook] is a TOML file: steps, each a named [Action] with arguments that
// are templated from the incident. Which actions there are is decided by who
// fills the [Registry]; a step whose action nobody registered is shown as not
// run, and never as done. A destructive step before evidence is preserved is
// refused (package order) unless a person insists.
//
// A [Runner] carries runs out, one step after the other, and stores each before
// and behind it: a process that dies goes on where it was. An action has to bear
// being done again with the same arguments.
package playbook
