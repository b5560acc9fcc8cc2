// Package push delivers the notifications of agents to those who asked for
// them, so that no agent does it itself.
//
//	caller ──▶ registers a target ──▶ Book: sealed, with a ticket of its own
//	agent  ──▶ posts to the ticket ──▶ Book: queued, answered at once
//	Courier ──▶ checks the target ──▶ posts, signed; again later if it must
//
// A [Book] keeps registrations and the queue in a [Store]; targets and bodies
// are sealed there, and of the ticket that the agent gets only hashes are kept.
// A [Courier] delivers at least once and in the order of each registration: to
// addresses that were checked in the moment of connecting, never through a
// redirect, and to no target that has not echoed a challenge. What cannot be
// delivered is a dead letter, which an operator can send again.
package push
