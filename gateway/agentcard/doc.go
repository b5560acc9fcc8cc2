// Package agentcard keeps the card of the agent behind a route and shows
// callers what of it is true in front of the gateway.
//
//	agent's card ─▶ fetch ─▶ strict reading ─▶ its signature ─▶ pins ─▶ rewrite ─▶ sign ─▶ pages in memory
//	                 every few minutes, with jitter; what fails leaves the last good card
//
// A [Keeper] is one route's. [Keeper.Run] keeps its pages current; serving one is
// a look into memory. Callers get URLs of the gateway, the credentials that the
// gateway takes, and skills that are not held: nothing of where the agent is, or
// of how the gateway speaks to it.
package agentcard
