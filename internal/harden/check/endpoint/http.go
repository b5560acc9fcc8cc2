package endpoint

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/handshake"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// HTTPRules returns the rules for any HTTP address.
func HTTPRules() []rule.Rule[*Seen] {
	return slices.Concat(tlsRules(), certificateRules(), headerRules(), answerRules(), corsRules(), exposureRules(), loadRules())
}

const h = rule.HTTPEndpoint

// overTLS makes a check of the handshakes, which plain HTTP does not have.
func overTLS(unread string, f func(s *Seen, t *handshake.TLS, out *found)) check {
	return look(func(s *Seen, out *found) error {
		if s.TLS == nil {
			return rule.ErrNotApplicable
		}
		f(s, s.TLS, out)
		if unread != "" && slices.ContainsFunc(s.TLS.Unread, func(u string) bool { return strings.HasPrefix(u, unread) }) {
			return errNoAnswer
		}
		return nil
	})
}

func tlsRules() []rule.Rule[*Seen] {
	wire := func(cwe string) refs {
		return from(rule.L2, list("S0-11", "S0-53", "S1-22"), list("MCP07:2025", "API8:2023"), list("MCP-T7", "MCP-T8"), list(cwe))
	}
	return []rule.Rule[*Seen]{
		one(h, "plain", rule.High, wire("CWE-319"), text{
			"What other machines can reach is encrypted", "Keys, tokens and results travel in clear text; whoever is on the way reads and changes them.",
			"The address begins with http:// and is not that of this machine.", "Serve https: give server.tls a certificate, or put a proxy that ends TLS in front.",
		}, look(func(s *Seen, out *found) error {
			if s.TLS == nil && !s.loopback() {
				out.add("address", "The address is plain HTTP.")
			}
			return nil
		})),
		one(h, "tls-old", rule.High, wire("CWE-327"), text{
			"TLS 1.0 and 1.1 are refused", "Their ciphers and hashes are broken; a client can be talked down to them.",
			"openssl s_client -tls1_1 -connect HOST:443 gets a handshake.", "Let the server offer TLS 1.2 and 1.3 only.",
		}, overTLS("TLS", func(_ *Seen, t *handshake.TLS, out *found) {
			for _, v := range t.Old {
				out.add(v, "%s is offered.", v)
			}
		})),
		one(h, "tls-weak-suite", rule.Medium, wire("CWE-326"), text{
			"Suites have forward secrecy and authenticated encryption", "Who records traffic today reads it when the key leaks; CBC suites leak through padding.",
			"openssl s_client -tls1_2 -cipher 'AES128-SHA:ECDHE-RSA-AES128-SHA' gets a handshake.", "Offer only ECDHE suites with AES-GCM or ChaCha20-Poly1305.",
		}, overTLS("weak", func(_ *Seen, t *handshake.TLS, out *found) {
			if t.Weak != "" {
				out.add(t.Weak, "%s is offered.", t.Weak)
			}
		})),
		one(h, "tls-13", rule.Low, wire("CWE-326"), text{
			"TLS 1.3 is offered", "TLS 1.3 hides more of the handshake and has no weak choices left.",
			"openssl s_client -tls1_3 -connect HOST:443 gets no handshake.", "Raise the greatest version of the server to TLS 1.3.",
		}, overTLS("", func(_ *Seen, t *handshake.TLS, out *found) {
			if !t.Modern {
				out.add("TLS 1.3", "TLS 1.3 is not offered.")
			}
		})),
		one(h, "redirect", rule.Medium, wire("CWE-319"), text{
			"Plain HTTP is refused or sent on to https", "Who types the name without https sends the credential in clear text.",
			"curl -i http://HOST/ answers with content.", "Answer on port 80 with 308 to the https address, or not at all.",
		}, look(func(s *Seen, out *found) error {
			a, asked := s.Answers[overHTTP]
			if !asked {
				return rule.ErrNotApplicable
			}
			if a.Status >= 200 && a.Status < 300 || a.Status >= 300 && a.Status < 400 && !strings.HasPrefix(a.Header.Get("Location"), "https://") {
				out.add("http", "Plain HTTP was answered with %d.", a.Status)
			}
			return nil
		})),
	}
}

func certificateRules() []rule.Rule[*Seen] {
	wire := from(rule.L2, list("S0-11", "S0-53"), list("MCP07:2025", "API8:2023"), list("MCP-T7", "MCP-T8"), list("CWE-295"))
	return []rule.Rule[*Seen]{
		one(h, "certificate-trusted", rule.High, wire, text{
			"The certificate is valid for this name", "Clients that check it cannot connect; clients that do not check it talk to anyone.",
			"openssl s_client -verify_return_error -verify_hostname HOST -connect HOST:443 fails.", "Get a certificate for this name from an authority that clients trust, and send the whole chain.",
		}, overTLS("", func(_ *Seen, t *handshake.TLS, out *found) {
			if t.Untrusted != "" {
				out.add("certificate", "The certificate is not trusted: %s.", t.Untrusted)
			}
		})),
		one(h, "certificate-ends", rule.Medium, from(rule.L2, list("S0-53"), list("API8:2023"), list("MCP-T7"), list("CWE-324")), text{
			"The certificate does not end soon", "When it ends nobody can connect, and the hasty way out is to switch checking off.",
			"openssl s_client -connect HOST:443 | openssl x509 -noout -enddate shows less than 14 days.", "Renew it, and let it renew itself.",
		}, overTLS("", func(s *Seen, t *handshake.TLS, out *found) {
			if left := t.Ends.Sub(s.Now); left < 14*24*time.Hour {
				out.add("certificate", "The certificate ends on %s.", t.Ends.UTC().Format(time.DateOnly))
			}
		})),
		one(h, "certificate-key", rule.High, from(rule.L2, list("S0-11"), list("API8:2023"), list("MCP-T7"), list("CWE-326", "CWE-328")), text{
			"The certificate has a strong key and signature", "A short key can be broken and the server impersonated.",
			"openssl x509 -text shows RSA below 2048 bits, or a signature with SHA-1 or MD5.", "Get a new certificate with ECDSA P-256 or RSA of at least 2048 bits.",
		}, overTLS("", func(_ *Seen, t *handshake.TLS, out *found) {
			if t.Key != "" {
				out.add("key", "The key is %s.", t.Key)
			}
			if t.Signed != "" {
				out.add("signature", "The certificate is signed with %s.", t.Signed)
			}
		})),
	}
}

// header makes a check of a header of the first answer.
func header(name string, good func(s *Seen, value string) bool) check {
	return look(func(s *Seen, out *found) error {
		a, ok := s.got(plainGet)
		if !ok {
			return errNoAnswer
		}
		values := a.Header.Values(name)
		switch {
		case len(values) == 0:
			out.add(name, "%s is missing.", name)
		case !good(s, strings.ToLower(strings.Join(values, ", "))):
			*out = append(*out, rule.Finding{Pointer: name, Message: name + " is too weak.", Evidence: values[0]})
		}
		return nil
	})
}

var maxAge = regexp.MustCompile(`max-age="?([0-9]{1,10})`)

func headerRules() []rule.Rule[*Seen] {
	sent := func(guide string) refs {
		return from(0, list(guide, "S0-26", "S0-55"), list("MCP07:2025", "API8:2023"), list("MCP-T7"), list("CWE-693"))
	}
	curl := "curl -sI ADDRESS does not show it."
	return []rule.Rule[*Seen]{
		one(h, "header-nosniff", rule.Low, sent("S0-19"), text{
			"X-Content-Type-Options is nosniff", "A browser takes an answer for a script because of what stands in it.", curl, "Send X-Content-Type-Options: nosniff on every answer.",
		}, header("X-Content-Type-Options", func(_ *Seen, v string) bool { return v == "nosniff" })),
		one(h, "header-frame", rule.Low, sent("S0-20"), text{
			"Answers cannot be framed", "A page of somebody else shows this one under its own buttons.", curl, "Send X-Frame-Options: DENY, or frame-ancestors 'none' in the Content-Security-Policy.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(plainGet)
			if !ok {
				return errNoAnswer
			}
			v := strings.ToLower(a.Header.Get("X-Frame-Options"))
			if v != "deny" && v != "sameorigin" && !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors") {
				out.add("X-Frame-Options", "Neither X-Frame-Options nor frame-ancestors is sent.")
			}
			return nil
		})),
		one(h, "header-csp", rule.Low, sent("S0-22"), text{
			"The Content-Security-Policy allows nothing that is not needed", "An answer that a browser shows runs scripts that somebody put in it.", curl,
			"For an interface send default-src 'none'; frame-ancestors 'none'. For pages name the sources, without 'unsafe-inline' and 'unsafe-eval' for scripts.",
		}, header("Content-Security-Policy", func(_ *Seen, v string) bool {
			script := v
			if _, after, ok := strings.Cut(v, "script-src"); ok {
				script, _, _ = strings.Cut(after, ";")
			} else if _, after, ok := strings.Cut(v, "default-src"); ok {
				script, _, _ = strings.Cut(after, ";")
			} else {
				return false
			}
			return !strings.Contains(script, "unsafe-inline") && !strings.Contains(script, "unsafe-eval") && !slices.Contains(strings.Fields(script), "*")
		})),
		one(h, "header-hsts", rule.Medium, sent("S0-23"), text{
			"Browsers are told to use https only", "One request over plain HTTP is enough to be sent elsewhere.", curl, "Send Strict-Transport-Security: max-age=31536000; includeSubDomains over https.",
		}, func() check {
			strict := header("Strict-Transport-Security", func(_ *Seen, v string) bool {
				m := maxAge.FindStringSubmatch(v)
				if m == nil {
					return false
				}
				n, err := strconv.Atoi(m[1])
				return err == nil && n >= 15768000
			})
			return onlyTLS(strict)
		}()),
		one(h, "header-referrer", rule.Low, sent("S0-24"), text{
			"Addresses are not told to other sites", "The address of this page, with what stands in it, reaches other sites.", curl, "Send Referrer-Policy: no-referrer (an interface) or strict-origin-when-cross-origin.",
		}, header("Referrer-Policy", func(_ *Seen, v string) bool { return v != "" && !strings.Contains(v, "unsafe-url") && v != "origin" })),
		one(h, "header-permissions", rule.Info, sent("S0-25"), text{
			"Pages may not use camera, microphone and place", "A page that was taken over asks for devices under this name.", curl, "Send Permissions-Policy: camera=(), microphone=(), geolocation=().",
		}, header("Permissions-Policy", func(_ *Seen, v string) bool {
			return strings.Contains(v, "camera=()") && strings.Contains(v, "microphone=()") && strings.Contains(v, "geolocation=()")
		})),
		one(h, "header-xss", rule.Info, sent("S0-21"), text{
			"The old script filter of browsers is not switched on", "X-XSS-Protection: 1 lets others switch parts of a page off, and read from it.", "curl -sI ADDRESS shows X-XSS-Protection with 1.", "Send X-XSS-Protection: 0, or do not send it.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(plainGet)
			if !ok {
				return errNoAnswer
			}
			if strings.HasPrefix(strings.TrimSpace(a.Header.Get("X-Xss-Protection")), "1") {
				out.add("X-XSS-Protection", "X-XSS-Protection is 1.")
			}
			return nil
		})),
	}
}

func onlyTLS(c check) check {
	return look(func(s *Seen, out *found) error {
		if s.TLS == nil {
			return rule.ErrNotApplicable
		}
		list, err := c(context.Background(), s)
		*out = list
		return err
	})
}

// versioned is a product with a version: "nginx/1.25.3", "Express 4.18".
var versioned = regexp.MustCompile(`[A-Za-z][A-Za-z._-]*[/ ]v?[0-9]+(\.[0-9]+)+`)

func answerRules() []rule.Rule[*Seen] {
	told := from(0, list("S0-33", "S0-34"), list("API8:2023", "MCP10:2025"), list("MCP-T5"), list("CWE-209", "CWE-200"))
	return []rule.Rule[*Seen]{
		one(h, "banner", rule.Low, from(0, list("S0-34", "S0-55"), list("API8:2023"), list("MCP-T5"), list("CWE-200")), text{
			"Answers do not say which software runs", "Who knows the version knows which holes to try.", "curl -sI ADDRESS shows Server with a version, or X-Powered-By.", "Switch the headers off: server_tokens off, app.disable('x-powered-by').",
		}, look(func(s *Seen, out *found) error {
			for _, name := range []string{plainGet, notThere} {
				a, ok := s.got(name)
				if !ok {
					continue
				}
				for _, field := range []string{"Server", "X-Powered-By", "X-Aspnet-Version", "X-Generator"} {
					if v := a.Header.Get(field); v != "" && (field != "Server" || versioned.MatchString(v)) {
						*out = append(*out, rule.Finding{Pointer: name + "/" + field, Message: field + " names what runs.", Evidence: v})
					}
				}
			}
			return nil
		})),
		one(h, "error-headers", rule.Low, from(0, list("S0-26"), list("API8:2023"), list("MCP-T7"), list("CWE-693")), text{
			"Errors have the security headers too", "The page for an unknown address is what an attacker can write into.", "curl -sI ADDRESS/not-there shows no X-Content-Type-Options.", "Set the headers in front of everything, not in the handlers.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(notThere)
			if !ok {
				return errNoAnswer
			}
			if a.Status >= 400 && !strings.EqualFold(a.Header.Get("X-Content-Type-Options"), "nosniff") {
				out.add("X-Content-Type-Options", "The answer %d has no security headers.", a.Status)
			}
			return nil
		})),
		one(h, "error-cache", rule.Low, from(0, list("S0-26"), list("API8:2023"), list("MCP-T5"), list("CWE-525")), text{
			"Errors are not kept by caches", "A cache answers others with what was said to one, or keeps an error alive.", "curl -sI ADDRESS/not-there shows no Cache-Control: no-store.", "Send Cache-Control: no-store on errors and on all answers of an interface.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(notThere)
			if !ok {
				return errNoAnswer
			}
			v := strings.ToLower(a.Header.Get("Cache-Control"))
			if a.Status >= 400 && !strings.Contains(v, "no-store") && !strings.Contains(v, "no-cache") && !strings.Contains(v, "private") {
				out.add("Cache-Control", "The answer %d may be kept.", a.Status)
			}
			return nil
		})),
		one(h, "error-leak", rule.Medium, told, text{
			"Errors tell nothing of the inside", "Stack traces, paths and versions say what runs and where it breaks.", "Send a request that is wrong and read the answer.", "Answer with a generic text and an id; write the detail to the log.",
		}, look(func(s *Seen, out *found) error { return leaks(s, out, notThere, plainGet) })),
		one(h, "trace", rule.Low, from(0, list("S0-55"), list("API8:2023"), list("MCP-T5"), list("CWE-200")), text{
			"TRACE is refused", "TRACE sends back the headers of a request, with the credentials a proxy has put in.", "curl -i -X TRACE ADDRESS shows the request again.", "Refuse all methods that are not used, with 405.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(trace)
			if !ok {
				return errNoAnswer
			}
			if a.Status == http.StatusOK && strings.Contains(a.text(), "portcullis-check-echo") {
				out.add("TRACE", "TRACE echoes the request.")
			}
			return nil
		})),
		one(h, "cookie", rule.Medium, from(rule.L2, list("S0-55"), list("API2:2023"), list("MCP-T1"), list("CWE-614", "CWE-1004")), text{
			"Cookies are Secure, HttpOnly and SameSite", "Scripts and other sites use a cookie that is not closed to them.", "curl -sI ADDRESS shows Set-Cookie without one of the three.", "Set cookies with Secure; HttpOnly; SameSite=Lax or Strict.",
		}, look(func(s *Seen, out *found) error {
			for name, a := range s.Answers {
				for _, c := range (&http.Response{Header: a.Header}).Cookies() {
					if !c.HttpOnly || s.TLS != nil && !c.Secure || c.SameSite == http.SameSiteDefaultMode || c.SameSite == http.SameSiteNoneMode {
						out.add(name+"/"+c.Name, "The cookie %.40q lacks Secure, HttpOnly or SameSite.", c.Name)
					}
				}
			}
			return nil
		})),
	}
}
