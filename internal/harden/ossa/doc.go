// Package ossa turns the manifest of an agent (Open Standard for Software
// Agents, versions 0.4 and 0.5) into configuration of the gateway.
//
// A manifest is a claim of somebody else about what an agent needs and must
// not do. [Generate] says in three lists what became of each claim: expressed,
// expressed more strictly, and not expressed. The rules behind them:
//
//   - What the manifest does not name is denied. A list that would be empty
//     becomes a denial of everything, because to the gateway an empty allow
//     list is none.
//   - Names are names. A * in what a manifest allows chooses among the tools
//     it declares and is never written into the configuration; in what it
//     blocks it stays one.
//   - Where two fields contradict one another the stricter one holds.
//   - A field that nobody knows is reported, not skipped, and counts as
//     relevant to security.
//   - A command of a manifest would run on the gateway's machine. It is left
//     out unless [Options.Commands] asks for it.
//   - What is written is read back as configuration before anybody sees it.
package ossa
