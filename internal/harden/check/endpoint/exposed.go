package endpoint

import (
	"bytes"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// leaks looks for the inside in answers that are errors.
func leaks(s *Seen, out *found, names ...string) error {
	told := false
	for _, name := range names {
		a, ok := s.got(name)
		if !ok {
			continue
		}
		told = true
		if a.Status < 400 && !reading.HasMember(a.Message, "error") {
			continue
		}
		text := strings.ReplaceAll(a.text(), `\n`, "\n")
		if m := reading.Inside(text); m != "" {
			*out = append(*out, rule.Finding{Pointer: name, Message: "An error tells something of the inside.", Evidence: strings.TrimSpace(m)})
		}
	}
	if !told {
		return errNoAnswer
	}
	return nil
}

func corsRules() []rule.Rule[*Seen] {
	cross := from(rule.L1, list("S0-31", "S0-55"), list("API8:2023", "MCP07:2025"), list("MCP-T7", "MCP-T8"), list("CWE-942", "CWE-346"))
	// allowed returns the answers that allow a page of the origin.
	allowed := func(origin string, names ...string) check {
		return look(func(s *Seen, out *found) error {
			told := false
			for _, name := range names {
				a, ok := s.got(name)
				if !ok {
					continue
				}
				told = true
				if a.Header.Get("Access-Control-Allow-Origin") == origin {
					out.add(name, "Access-Control-Allow-Origin is %s.", origin)
				}
			}
			if !told {
				return errNoAnswer
			}
			return nil
		})
	}
	return []rule.Rule[*Seen]{
		one(h, "cors-reflected", rule.High, cross, text{
			"Pages of other sites are not let in because they ask", "Any page that a user visits reads answers with the user's credentials.", "curl -sI -H 'Origin: https://other.example' ADDRESS shows that origin in Access-Control-Allow-Origin.", "Name the origins that may, and answer no other.",
		}, allowed(foreign, plainGet, preflight)),
		one(h, "cors-null", rule.Medium, cross, text{
			"The origin null is not let in", "Sandboxed frames and local files have the origin null: anyone can make one.", "curl -sI -H 'Origin: null' ADDRESS shows null in Access-Control-Allow-Origin.", "Take null out of the origins.",
		}, allowed("null", nullOrigin)),
		one(h, "cors-any", rule.Medium, cross, text{
			"Not every origin is let in", "Pages of all sites read the answers: on a machine of a user, or in a network, these are not public.", "curl -sI -H 'Origin: https://other.example' ADDRESS shows * in Access-Control-Allow-Origin.", "Name the origins that may.",
		}, allowed("*", plainGet, preflight)),
	}
}

// opened makes a check that a path does not show what is told by marks.
func opened(what string, marks map[string][]string) check {
	return look(func(s *Seen, out *found) error {
		told := false
		for path, signs := range marks {
			a, ok := s.got(path)
			if !ok {
				continue
			}
			told = true
			for _, sign := range signs {
				if a.Status == 200 && bytes.Contains(a.Body, []byte(sign)) {
					out.add(path, "%s is open to everyone at %s.", what, path)
					break
				}
			}
		}
		if !told {
			return errNoAnswer
		}
		return nil
	})
}

func exposureRules() []rule.Rule[*Seen] {
	open := func(cwe string) refs {
		return from(rule.L2, list("S0-52", "S0-55"), list("API8:2023", "API9:2023"), list("MCP-T5", "MCP-T7"), list(cwe))
	}
	return []rule.Rule[*Seen]{
		one(h, "metrics-open", rule.Medium, open("CWE-200"), text{
			"Metrics are not public", "Metrics name routes, tools and load; they say when an attack works.", "curl ADDRESS/metrics shows metrics without a credential.", "Serve metrics on an inner address, or behind authentication.",
		}, opened("The metrics page", map[string][]string{pathMetrics: {"# HELP", "# TYPE"}})),
		one(h, "debug-open", rule.High, open("CWE-489"), text{
			"Debug pages are not public", "Profiles hold memory: keys and what callers sent.", "curl ADDRESS/debug/pprof/ or /actuator/env answers without a credential.", "Switch them off, or serve them on loopback only.",
		}, opened("A debug page", map[string][]string{pathPprof: {"goroutine", "heap"}, pathActuator: {"propertySources", "activeProfiles"}})),
		one(h, "files-open", rule.Critical, open("CWE-538"), text{
			"No file of the deployment is public", "A .env file holds the secrets; a .git folder holds all that ever was in the repository.", "curl ADDRESS/.env or ADDRESS/.git/HEAD answers with the file.", "Serve a folder that holds only what is to be served, change every secret that was in the file.",
		}, look(func(s *Seen, out *found) error {
			env, ok := s.got(pathEnv)
			git, also := s.got(pathGit)
			if !ok && !also {
				return errNoAnswer
			}
			if env.Status == 200 && reading.EnvFile(env.Body) {
				out.add(pathEnv, "The file .env is open to everyone.")
			}
			if git.Status == 200 && reading.GitHead(git.Body) {
				out.add(pathGit, "The folder .git is open to everyone.")
			}
			return nil
		})),
		one(h, "admin-open", rule.High, open("CWE-306"), text{
			"The administration is not public", "Who finds it tries passwords, or needs none.", "curl ADDRESS/admin answers with a page without a credential.", "Serve it on a socket or an inner address, behind authentication.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(pathAdmin)
			if !ok {
				return errNoAnswer
			}
			none, _ := s.got(notThere)
			if a.Status == 200 && none.Status != 200 {
				out.add(pathAdmin, "There is a page at /admin.")
			}
			return nil
		})),
	}
}
