// Package life is the state machine of an API key, without any I/O:
//
//	active → rotating → deprecated → revoked
//
// A [Record] holds times; [Record.StatusAt] says what they mean at a moment.
// The stored status is a floor under that, so a stopped gateway misses no
// transition and a clock that is set back revives nothing that was written.
package life
