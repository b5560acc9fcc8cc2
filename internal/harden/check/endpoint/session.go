package endpoint

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// leastBits is what an id has to hold so that nobody guesses it.
const leastBits = 64

func sessionRules() []rule.Rule[*Seen] {
	ids := from(rule.L2, list("S0-52"), list("API2:2023", "MCP07:2025"), list("MCP-T1", "MCP-T7"), list("CWE-330", "CWE-384"))
	return []rule.Rule[*Seen]{
		one(m, "session-guess", rule.High, ids, text{
			"Session ids cannot be guessed", "Who guesses an id takes part in the session of another.", "POST initialize three times and compare Mcp-Session-Id.", "Make ids of 128 random bits from the system's generator.",
		}, look(func(s *Seen, out *found) error {
			if len(s.Sessions) == 0 {
				return rule.ErrNotApplicable
			}
			if len(s.Sessions) < 2 {
				return errNoAnswer
			}
			for i, id := range s.Sessions {
				if reading.Bits(id) < leastBits {
					out.add("Mcp-Session-Id", "An id of %d characters holds too little chance.", len(id))
					return nil
				}
				if i > 0 && reading.Alike(s.Sessions[i-1], id) {
					out.add("Mcp-Session-Id", "Ids that follow one another are almost the same.")
					return nil
				}
			}
			return nil
		})),
		one(m, "session-bound", rule.High, ids, text{
			"A session does not stand for a credential", "Who reads an id in a log goes on with the session of another.", "POST tools/list with Mcp-Session-Id and without Authorization: want 401.", "Ask for the credential with every request and bind the session to it.",
		}, look(func(s *Seen, out *found) error {
			if len(s.Sessions) == 0 || !s.locks() {
				return rule.ErrNotApplicable
			}
			a, ok := s.got(sessionAlone)
			if !ok {
				return errBehind
			}
			if a.served() {
				out.add(sessionAlone, "The session was used without its credential.")
			}
			return nil
		})),
		one(m, "session-address", rule.Medium, from(rule.L2, list("S0-52"), list("API2:2023"), list("MCP-T1"), list("CWE-598")), text{
			"Session ids do not stand in addresses", "Addresses stand in logs, histories and Referer headers.", "The address, a redirect or the first event of a stream has a sessionId parameter.", "Use the Mcp-Session-Id header: leave the old HTTP+SSE transport.",
		}, look(func(s *Seen, out *found) error {
			for name, a := range s.Answers {
				if inAddress(a.Header.Get("Location")) {
					out.add(name, "A redirect names a session.")
				}
			}
			if inAddress(s.URL.RawQuery) {
				out.add("address", "The address names a session.")
			}
			return nil
		})),
	}
}

func inAddress(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "sessionid=") || strings.Contains(s, "session_id=")
}
