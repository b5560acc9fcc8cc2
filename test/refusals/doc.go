// Package refusals shows, for each way a call can be refused, what comes of
// it: status, body and headers of the answer, the event in the journal, the
// count in the metrics, and that the upstream heard nothing. Beside that it
// holds the published holes of other gateways as tests.
package refusals
