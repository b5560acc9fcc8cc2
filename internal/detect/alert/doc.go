// Package alert wakes people: it turns events of the audit journal into alerts
// and sends them through channels, each of which is a package below.
//
// What belongs together is one alert. Events of one type, metric and route that
// come within the group window join; what goes on updates the alert; what ends
// resolves it. Its id is made of the first event, so that the same journal makes
// the same alert, and a message that is sent twice has the same id.
//
// An alert does not hold messages that wait. It holds, of each channel, what
// that channel was told, and the engine sends what is still to be told: so a
// storm costs no memory, a restart loses nothing, and of what came while a
// channel was away only the latest is sent. The state is saved before the place
// in the journal.
//
// Alerts keep persons sealed as the journal has them. They are opened when a
// message is made, for channels that may show them.
package alert
