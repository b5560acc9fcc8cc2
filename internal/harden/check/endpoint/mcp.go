package endpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// MCPRules returns the rules for MCP servers.
func MCPRules() []rule.Rule[*Seen] {
	return slices.Concat(callerRules(), challengeRules(), pageRules(), bodyRules(), protocolRules(), limitRules(m, harmless), sessionRules(), toolRules())
}

const m = rule.MCPEndpoint

func callerRules() []rule.Rule[*Seen] {
	known := from(rule.L2, list("S0-52", "S1-10", "S1-22"), list("MCP07:2025", "API2:2023"), list("MCP-T1", "MCP-T2"), list("CWE-306"))
	t := func(title, verify string) text {
		return text{title, "Whoever reaches the address uses the server, and nobody knows who it was.", verify, "Ask for a credential before anything else: put the server behind a route with auth."}
	}
	return []rule.Rule[*Seen]{
		one(m, "auth-handshake", rule.Medium, known, t("The handshake needs a credential", "POST initialize or server/discover without Authorization: want 401."), locked("The handshake", anonymousFirst)),
		one(m, "auth-tools", rule.High, known, t("Listing tools needs a credential", "POST tools/list without Authorization: want 401."), locked("tools/list", anonymousTools)),
		one(m, "auth-lists", rule.Medium, known, t("Listing prompts and resources needs a credential", "POST prompts/list and resources/list without Authorization: want 401."), locked("A list", anonymousPrompts, anonymousResources)),
		one(m, "auth-ping", rule.Low, known, t("Ping needs a credential", "POST ping without Authorization: want 401."), locked("ping", anonymousPing)),
		one(m, "auth-stream", rule.Medium, known, t("The stream needs a credential", "GET with Accept: text/event-stream without Authorization: want 401 or 405."), look(func(s *Seen, out *found) error {
			a, ok := s.got(anonymousStream)
			if !ok {
				return errNoAnswer
			}
			if a.Status >= 200 && a.Status < 300 {
				out.add(anonymousStream, "The stream was opened without a credential.")
			}
			return nil
		})),
		one(m, "token-any", rule.Critical, from(rule.L2, list("S0-52", "S1-10"), list("MCP07:2025", "API2:2023"), list("MCP-T1"), list("CWE-287")), text{
			"A token that is none is refused", "The server looks only whether there is a token: any text opens it.", "POST tools/list with Authorization: Bearer x: want 401.", "Check the signature, the issuer, the audience and the end of every token.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(badToken)
			if !ok {
				return errNoAnswer
			}
			if a.served() {
				out.add(badToken, "A made-up token was taken: %d.", a.Status)
			}
			return nil
		})),
		one(m, "token-in-query", rule.Medium, from(rule.L2, list("S0-52"), list("MCP01:2025", "API2:2023"), list("MCP-T1"), list("CWE-598")), text{
			"Tokens in addresses are not read", "Addresses stand in logs, histories and Referer headers.", "POST tools/list?access_token=x: want 400, or 401 without a word about the token.", "Read tokens from the Authorization header only and refuse requests that have them in the address.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(queryToken)
			plain, also := s.got(anonymousTools)
			if !ok || !also {
				return errNoAnswer
			}
			said := strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") && !strings.Contains(plain.Header.Get("WWW-Authenticate"), "invalid_token")
			if a.served() || said {
				out.add(queryToken, "A request with a token in the address was answered with %d.", a.Status)
			}
			return nil
		})),
	}
}

// challenged makes a check of the answer to somebody without a credential.
func challenged(f func(s *Seen, a Answer, out *found) error) check {
	return look(func(s *Seen, out *found) error {
		for _, name := range []string{anonymousTools, anonymousFirst} {
			if a, ok := s.got(name); ok && a.Status == http.StatusUnauthorized {
				return f(s, a, out)
			}
		}
		return rule.ErrNotApplicable
	})
}

func challengeRules() []rule.Rule[*Seen] {
	oauth := from(rule.L2, list("S0-9", "S0-52"), list("MCP07:2025", "API2:2023"), list("MCP-T1"), list("CWE-287"))
	return []rule.Rule[*Seen]{
		one(m, "challenge", rule.Low, oauth, text{
			"401 says how to authenticate", "Clients cannot find out what is wanted, and people paste keys into addresses.", "POST without Authorization: 401 without WWW-Authenticate.", "Send WWW-Authenticate: Bearer with every 401.",
		}, challenged(func(_ *Seen, a Answer, out *found) error {
			if a.Header.Get("WWW-Authenticate") == "" {
				out.add("WWW-Authenticate", "401 came without WWW-Authenticate.")
			}
			return nil
		})),
		one(m, "challenge-metadata", rule.Info, oauth, text{
			"401 names the protected resource metadata", "Clients cannot find the authorization server that this one trusts.", "POST without Authorization: WWW-Authenticate has no resource_metadata (RFC 9728).", "Name the document in the challenge: resource_metadata=\"https://…/.well-known/oauth-protected-resource\".",
		}, challenged(func(s *Seen, a Answer, out *found) error {
			if reading.Parameter(a.Header.Get("WWW-Authenticate"), "resource_metadata") != "" {
				return nil
			}
			if doc, ok := s.got(resourceMetadata); !ok || doc.Status != 200 {
				return rule.ErrNotApplicable // keys that are given by hand have no such document
			}
			out.add("resource_metadata", "There is a document and the challenge does not name it.")
			return nil
		})),
		one(m, "metadata", rule.Medium, oauth, text{
			"The protected resource metadata is about this server", "Clients get tokens for another resource, or over plain HTTP.", "GET /.well-known/oauth-protected-resource: resource is the address, authorization_servers are https.", "Set resource to the address of the server and name https issuers.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(resourceMetadata)
			if !ok || a.Status != 200 {
				return rule.ErrNotApplicable
			}
			var doc struct {
				Resource string   `json:"resource"`
				Servers  []string `json:"authorization_servers"`
			}
			if json.Unmarshal(a.Body, &doc) != nil {
				out.add("document", "The metadata cannot be read.")
				return nil
			}
			if want := s.URL.Scheme + "://" + s.URL.Host; doc.Resource != want && !strings.HasPrefix(doc.Resource, want+"/") {
				*out = append(*out, rule.Finding{Pointer: "resource", Message: "The metadata is about another resource.", Evidence: doc.Resource})
			}
			for _, issuer := range doc.Servers {
				if !strings.HasPrefix(issuer, "https://") && !s.loopback() {
					*out = append(*out, rule.Finding{Pointer: "authorization_servers", Message: "An authorization server is not https.", Evidence: issuer})
				}
			}
			return nil
		})),
	}
}

func pageRules() []rule.Rule[*Seen] {
	rebind := from(rule.L1, list("S0-31", "S0-55"), list("MCP07:2025", "API8:2023"), list("MCP-T7", "MCP-T8"), list("CWE-346", "CWE-350"))
	return []rule.Rule[*Seen]{
		one(m, "origin", rule.High, rebind, text{
			"Pages of other sites are refused", "Any page that a user visits calls the tools on the user's machine or network.", "POST with Origin: https://other.example: want 403.", "Compare Origin with a list and refuse all others with 403.",
		}, refused(foreignOrigin, "A request from a page of another site")),
		one(m, "host", rule.High, rebind, text{
			"Names that are not the server's are refused", "A page whose name is pointed at this address afterwards (DNS rebinding) is of the same origin.", "POST with Host: other.example: want 403 or 421.", "Compare Host with the names of the server.",
		}, refused(foreignHost, "A request for another name")),
	}
}

func bodyRules() []rule.Rule[*Seen] {
	strict := func(cwe string) refs {
		return from(rule.L2, list("S0-32", "S0-54"), list("MCP05:2025", "API8:2023"), list("MCP-T3", "MCP-T10"), list(cwe))
	}
	t := func(title, why, fix string) text {
		return text{title, why, "Send such a body with curl --data-binary: want an error.", fix}
	}
	return []rule.Rule[*Seen]{
		one(m, "body-doubled", rule.Medium, strict("CWE-436"), t("Names that stand twice are refused", "One reader takes the first, another the last: what was checked is not what is done.", "Read JSON strictly: refuse names that stand twice in an object."), refused(doubledName, "A body with two methods")),
		one(m, "body-batch", rule.Low, strict("CWE-770"), t("Batches are refused", "One request holds a thousand calls that are counted as one.", "Refuse arrays: MCP has no batches since 2025-06-18."), refused(batch, "A batch")),
		one(m, "body-trailing", rule.Low, strict("CWE-436"), t("Bytes behind the message are refused", "Readers differ in what they take; something is passed by a check.", "Refuse a body that goes on behind the message."), refused(trailing, "A body with two messages")),
		one(m, "body-deep", rule.Medium, strict("CWE-674"), t("Bodies that nest too deep are refused", "Deep nesting exhausts the stack of readers.", "Bound the depth of JSON, to 64 for instance."), refused(deep, "A body nested 2000 deep")),
		largeRule(m, strict("CWE-400"), t("Bodies that are too large are refused", "A few large bodies fill the memory.", "Bound bodies, to a megabyte for instance, and answer 413.")),
		one(m, "content-type", rule.Low, strict("CWE-436"), t("Bodies of another type are refused", "A form of another site can send text/plain without asking.", "Answer 415 unless Content-Type is application/json."), refused(wrongType, "A body of type text/plain")),
	}
}

func protocolRules() []rule.Rule[*Seen] {
	spec := func(cwe string) refs {
		return from(rule.L2, list("S0-32", "S0-54", "S3-30"), list("MCP07:2025", "API8:2023"), list("MCP-T3"), list(cwe))
	}
	return []rule.Rule[*Seen]{
		one(m, "version", rule.Low, spec("CWE-436"), text{
			"Unknown revisions of the protocol are refused", "Client and server read the same message by different rules.", "POST with MCP-Protocol-Version: 1999-01-01: want 400.", "Answer 400 with -32022 unless the revision is one that the server speaks.",
		}, refused(wrongVersion, "A request of an unknown revision")),
		one(m, "mismatch", rule.Medium, spec("CWE-436"), text{
			"Headers that differ from the body are refused", "What stands in front decides by the header, the server does what the body says.", "POST with Mcp-Method: tools/call and the method tools/list: want 400 with -32020.", "Compare MCP-Protocol-Version, Mcp-Method and Mcp-Name with the body.",
		}, look(func(s *Seen, out *found) error {
			if !s.Modern {
				return rule.ErrNotApplicable
			}
			list, err := refused(mismatch, "A request whose header names another method")(context.Background(), s)
			*out = list
			return err
		})),
		one(m, "method-unknown", rule.Info, spec("CWE-754"), text{
			"Unknown methods are refused", "A server that answers anything hides what it does not do, and clients go on.", "POST the method portcullis/not-there: want -32601.", "Answer -32601 for methods that there are none of.",
		}, refused(unknownMethod, "An unknown method")),
		one(m, "error-leak", rule.Medium, from(0, list("S0-33", "S0-34"), list("MCP10:2025", "API8:2023"), list("MCP-T5"), list("CWE-209")), text{
			"Errors tell nothing of the inside", "Stack traces and paths say what runs, where, and where it breaks.", "POST a body that is no JSON and read the answer.", "Answer with a generic text; write the detail to the log under an id.",
		}, look(func(s *Seen, out *found) error { return leaks(s, out, broken, unknownMethod, wrongType, trailing) })),
	}
}
