// Package endpoint has the rules for what is reached over the network: any HTTP
// address, an MCP server, an A2A agent.
//
// [Probe] asks an address once, with a bounded number of small requests, and
// writes down what it answered. The rules only read that. What a polite client
// would not send (a burst, a body of megabytes) is sent only when asked for.
//
// Requests are made without a credential first. One that was given is sent only
// over a connection that nobody can listen to, and never in an address.
package endpoint
