// Package sink sends the audit journal on: to a SIEM, a log server, a file.
//
// Each sink reads the journal for itself and keeps a cursor of its own, so the
// journal is its spool: nothing is copied, a server that is down for a day
// costs no disk beyond the journal, and a sink that lags slows no call. A
// [Sender] knows one kind of server; everything that all of them need is here:
//
//	journal → filter → enrich → encode → batch → [Sender.Send] → cursor
//	                                        ↑          │
//	                                   pause, split ◀──┘ refused → dead letters
//
// # What it promises
//
//   - At least once and in order, per sink: the cursor moves only behind what
//     the server took, and the next batch waits for the one before.
//   - An event that a server refuses does not hold up the others: a refused
//     batch is split until the culprit is alone, which is laid aside in a dead
//     letter file, with the reason.
//   - Whatever else goes wrong is tried again: with growing pauses while the
//     server is away, slowly while the settings are wrong. Nothing is dropped.
//   - Memory is bounded by one batch, disk by the journal and its retention and
//     by the cap of the dead letter file.
//   - Records that retention removed before a sink had sent them are counted,
//     logged and noted as an event.
package sink
