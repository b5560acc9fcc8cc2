package endpoint

import (
	"net/url"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

const a = rule.A2AEndpoint

// ofCard makes a check of the card.
func ofCard(f func(s *Seen, c *card.Card, out *found)) check {
	return look(func(s *Seen, out *found) error {
		c, err := card.Parse(s.Card, card.Options{InsecurePlainHTTP: true})
		if err != nil {
			return err
		}
		f(s, c, out)
		return nil
	})
}

// A2ARules returns the rules for A2A agents.
func A2ARules() []rule.Rule[*Seen] {
	return slices.Concat(cardRules(), agentRules(), borderRules(), limitRules(a, ownTask))
}

// turned makes a check that a variant of the request for a task was turned away
// before anybody looked for the task.
func turned(name, what string) check {
	return look(func(s *Seen, out *found) error {
		v, ok := s.got(name)
		plain, also := s.got(ownTask)
		switch {
		case !ok || !also:
			return errNoAnswer
		case v.served():
			out.add(name, "%s was answered with %d.", what, v.Status)
		case plain.served() || v.Status != plain.Status && v.Status >= 400 && v.Status < 500:
			return nil
		case plain.locked():
			return errBehind
		default:
			return errAlike
		}
		return nil
	})
}

func borderRules() []rule.Rule[*Seen] {
	rebind := from(rule.L1, list("S0-31", "S0-55"), list("MCP07:2025", "API8:2023"), list("MCP-T7", "MCP-T8"), list("CWE-346", "CWE-350"))
	size := from(rule.L2, list("S0-32", "S0-54"), list("API4:2023", "API8:2023"), list("MCP-T3", "MCP-T10"), list("CWE-400"))
	return []rule.Rule[*Seen]{
		one(a, "origin", rule.High, rebind, text{
			"Pages of other sites are refused", "Any page that a user visits calls the agent on the user's machine or network.", "POST with Origin: https://other.example: want 403.", "Compare Origin with a list and refuse all others with 403.",
		}, turned(foreignOrigin, "A call from a page of another site")),
		one(a, "host", rule.High, rebind, text{
			"Names that are not the agent's are refused", "A page whose name is pointed at this address afterwards (DNS rebinding) is of the same origin.", "POST with Host: other.example: want 403 or 421.", "Compare Host with the names of the agent.",
		}, turned(foreignHost, "A call for another name")),
		largeRule(a, size, text{
			"Messages that are too large are refused", "A few large messages fill the memory.", "POST six megabytes with curl --data-binary: want 413.", "Bound bodies, to a megabyte for instance, and answer 413.",
		}),
	}
}

func cardRules() []rule.Rule[*Seen] {
	said := func(cwe string) refs {
		return from(rule.L2, list("S0-7", "S0-9"), list("MCP07:2025", "API2:2023"), list("MCP-T1", "MCP-T8"), list(cwe))
	}
	return []rule.Rule[*Seen]{
		one(a, "card-form", rule.Medium, said("CWE-20"), text{
			"The card is well formed", "Clients read a card that is not by the rules each in their own way.", "GET /.well-known/agent-card.json and hold it against the specification.", "Write the card as the specification says.",
		}, look(func(s *Seen, out *found) error {
			if _, err := card.Parse(s.Card, card.Options{InsecurePlainHTTP: true}); err != nil {
				out.add("card", "The card is not well formed: %v.", err)
			}
			return nil
		})),
		one(a, "card-https", rule.High, said("CWE-319"), text{
			"The card names https addresses only", "Clients send their credentials to the address that the card names.", "The card has an interface whose url begins with http://.", "Name https addresses.",
		}, ofCard(func(_ *Seen, c *card.Card, out *found) {
			for _, i := range c.Interfaces {
				if u, err := url.Parse(i.URL); err != nil || u.Scheme != "https" && !reading.Loopback(u.Hostname()) {
					out.add("url", "An interface is not https.")
				}
			}
		})),
		one(a, "card-origin", rule.Medium, said("CWE-346"), text{
			"The card sends nobody elsewhere", "Whoever writes the card decides where the credentials of clients go.", "The card has an interface on another host than the card's own.", "Serve the card from the host of the agent.",
		}, ofCard(func(s *Seen, c *card.Card, out *found) {
			for _, i := range c.Interfaces {
				if u, err := url.Parse(i.URL); err == nil && !strings.EqualFold(u.Hostname(), s.URL.Hostname()) {
					out.add("url", "An interface is on the host %.80q.", u.Hostname())
				}
			}
		})),
		one(a, "card-signed", rule.Low, said("CWE-345"), text{
			"The card is signed", "Nobody can tell whether the card is the agent's own, or was changed on the way.", "The card has no signatures.", "Sign the card with a JWS, and publish the key.",
		}, ofCard(func(_ *Seen, c *card.Card, out *found) {
			if len(c.Signatures) == 0 {
				out.add("signatures", "The card is not signed.")
			}
		})),
		one(a, "card-schemes", rule.High, said("CWE-306"), text{
			"The card says how to authenticate", "An agent that asks for nothing works for everyone; clients send nothing.", "The card has no securitySchemes, or no security that requires one.", "Declare a scheme and require it.",
		}, ofCard(func(_ *Seen, c *card.Card, out *found) {
			if len(c.Schemes) == 0 {
				out.add("securitySchemes", "No scheme is declared.")
			} else if len(c.Requirements) == 0 {
				out.add("security", "No scheme is required.")
			}
		})),
		one(a, "card-weak-scheme", rule.Medium, said("CWE-522"), text{
			"No scheme puts the key into the address", "Addresses stand in logs and histories.", "The card has an API key in the query, or an implicit or password flow.", "Take keys in a header, and use authorization code or client credentials.",
		}, ofCard(func(_ *Seen, c *card.Card, out *found) {
			for name, s := range c.Schemes {
				_, implicit := s.Flows[card.Implicit]
				_, password := s.Flows[card.Password]
				if s.Type == card.APIKey && s.In == "query" || implicit || password {
					out.add("securitySchemes."+name, "The scheme is weak.")
				}
			}
		})),
		one(a, "card-orders", rule.High, from(rule.L2, list("S0-7"), list("MCP03:2025", "MCP06:2025"), list("MCP-T4"), list("CWE-74", "CWE-1427")), text{
			"The card gives no orders to the model", "A model that chooses among agents reads descriptions as if its user had written them.", "Read the descriptions, skills and examples of the card.", "Do not call the agent.",
		}, reads(orders)),
		one(a, "card-hidden", rule.High, from(rule.L2, list("S0-7"), list("MCP03:2025"), list("MCP-T4"), list("CWE-451", "CWE-1427")), text{
			"The card hides no characters", "The model reads what the person who looked at the card did not see.", "Look for tag, zero-width and direction characters in the card.", "Do not call the agent.",
		}, reads(hidden)),
	}
}

func agentRules() []rule.Rule[*Seen] {
	known := from(rule.L2, list("S0-7", "S0-52"), list("API2:2023"), list("MCP-T1", "MCP-T2"), list("CWE-306"))
	return []rule.Rule[*Seen]{
		one(a, "auth", rule.High, known, text{
			"Calls need a credential", "Whoever reaches the address uses the agent and reads tasks of others.", "POST GetTask without Authorization: want 401.", "Ask for a credential before anything else.",
		}, locked("A call", anonymousTask)),
		one(a, "auth-extended", rule.Medium, known, text{
			"The extended card needs a credential", "The extended card is what only callers that are known may see.", "POST GetExtendedAgentCard without Authorization: want 401.", "Ask for a credential before the extended card.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(anonymousExtended)
			if !ok {
				return errNoAnswer
			}
			if a.ok() && reading.HasMember(a.Message, "result") {
				out.add(anonymousExtended, "The extended card was given without a credential.")
			}
			return nil
		})),
		one(a, "version", rule.Low, from(0, list("S3-30"), list("API8:2023"), list("MCP-T3"), list("CWE-436")), text{
			"Unknown versions of the protocol are refused", "Client and agent read the same message by different rules.", "POST with A2A-Version: 99.9: want an error that names the version.", "Answer VersionNotSupported (-32009) unless the version is one that the agent speaks.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(cardVersion)
			switch n := reading.Code(a.Message); {
			case !ok:
				return errNoAnswer
			case a.locked():
				return errBehind
			case n == -32009 || a.Status >= 400 && a.Status < 500 && n != -32001:
			default:
				out.add(cardVersion, "A call of version 99.9 was read.")
			}
			return nil
		})),
		one(a, "error-leak", rule.Medium, from(0, list("S0-33", "S0-34"), list("API8:2023"), list("MCP-T5"), list("CWE-209")), text{
			"Errors tell nothing of the inside", "Stack traces and paths say what runs, where, and where it breaks.", "POST a body that is no JSON and read the answer.", "Answer with a generic text; write the detail to the log under an id.",
		}, look(func(s *Seen, out *found) error { return leaks(s, out, brokenCall, anonymousTask, cardVersion) })),
		active(one(a, "webhook", rule.High, from(rule.L2, list("S0-7"), list("API7:2023"), list("MCP-T8"), list("CWE-918")), text{
			"Webhooks to inner addresses are refused", "The agent is made to call what only it can reach: the metadata of the cloud, databases.", "Set a push notification to http://169.254.169.254/: want an error.", "Refuse addresses that are not public, when set and when called.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(webhook)
			switch n := reading.Code(a.Message); {
			case !ok:
				return errNoAnswer
			case a.locked():
				return errBehind
			case a.ok():
				out.add(webhook, "A webhook to 169.254.169.254 was taken.")
			case n == -32601 || n == -32003 || n == -32004:
				return rule.ErrNotApplicable
			case n == -32001:
				return errAlike
			}
			return nil
		}))),
	}
}
