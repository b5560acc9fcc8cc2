package endpoint

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
)

// eachTool makes a check of the tools. Without them it cannot tell: an empty
// list is told from one that was not shown.
func eachTool(f func(t reading.Tool, out *found)) check {
	return look(func(s *Seen, out *found) error {
		if err := listed(s); err != nil {
			return err
		}
		for _, t := range s.Tools {
			f(t, out)
		}
		return nil
	})
}

func listed(s *Seen) error {
	a, ok := s.got(harmless)
	switch {
	case !ok:
		return errNoAnswer
	case reading.HasMember(reading.Member(a.Message, "result"), "tools"):
		return nil
	case a.locked():
		return errBehind
	case reading.Code(a.Message) == -32601:
		return rule.ErrNotApplicable
	}
	return errNoAnswer
}

var (
	plainName   = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,128}$`)
	destructive = regexp.MustCompile(`(?i)(^|[_.:/-])(delete|remove|drop|destroy|erase|purge|wipe|truncate|overwrite|kill|terminate|exec|execute|run|shell|format|revoke|reset)([_.:/-]|$)`)
)

// reads makes a check of everything that a model reads.
func reads(f func(l wording.Looked, where string, out *found)) check {
	return look(func(s *Seen, out *found) error {
		for _, t := range s.Texts {
			f(s.judge.Look(t.Text), t.Where, out)
		}
		for _, t := range s.Tools {
			for _, text := range reading.Texts(t.Name, t.Raw) {
				f(s.judge.Look(text.Text), text.Where, out)
			}
		}
		if s.MCP {
			return listed(s)
		}
		return nil
	})
}

func orders(l wording.Looked, where string, out *found) {
	if l.Orders != "" {
		*out = append(*out, rule.Finding{Pointer: where, Message: "A text gives orders to a model.", Evidence: l.Orders})
	}
}

func hidden(l wording.Looked, where string, out *found) {
	if l.Hidden != "" {
		*out = append(*out, rule.Finding{Pointer: where, Message: "A text has characters that a reader does not see.", Evidence: l.Hidden})
	}
}

func toolRules() []rule.Rule[*Seen] {
	poison := from(rule.L2, list("S0-54"), list("MCP03:2025", "MCP06:2025"), list("MCP-T4", "MCP-T6"), list("CWE-74", "CWE-1427"))
	shape := from(rule.L2, list("S0-54"), list("MCP03:2025", "MCP02:2025"), list("MCP-T3", "MCP-T4"), list("CWE-20"))
	return []rule.Rule[*Seen]{
		one(m, "tools-orders", rule.High, poison, text{
			"Descriptions do not give orders to the model", "A description is read by the model as if its user had written it.", "Read the descriptions, schemas and instructions that the server lists.", "Do not use the server, or pin its tools after somebody has read them: route.pins.",
		}, reads(orders)),
		one(m, "tools-hidden", rule.High, poison, text{
			"Descriptions hide no characters", "The model reads what the person who approved the tool did not see.", "Look for tag, zero-width and direction characters in what the server lists.", "Do not use the server, or let the gateway hold its tools: route.pins.",
		}, reads(hidden)),
		one(m, "tools-doubled", rule.High, from(rule.L2, list("S0-54"), list("MCP03:2025"), list("MCP-T6", "MCP-T9"), list("CWE-694")), text{
			"Every tool has a name of its own", "Which of two tools of a name is called nobody can tell; one shadows the other.", "tools/list has a name twice, or two that differ only in case or marks.", "Rename one of them.",
		}, look(func(s *Seen, out *found) error {
			seen := map[string]string{}
			for _, t := range s.Tools {
				folded := strings.NewReplacer("-", "", "_", "", ".", "", "/", "").Replace(strings.ToLower(t.Name))
				if before, ok := seen[folded]; ok {
					out.add(t.Name, "%.60q is taken for %.60q.", t.Name, before)
				}
				seen[folded] = t.Name
			}
			return listed(s)
		})),
		one(m, "tools-names", rule.Medium, shape, text{
			"Names of tools are plain", "A name with letters of another script looks like that of a tool that is trusted.", "tools/list has a name that is not of letters, digits and _ . : / -.", "Rename the tool.",
		}, eachTool(func(t reading.Tool, out *found) {
			if !plainName.MatchString(t.Name) {
				out.add("tool", "The name %+.60q is not plain.", t.Name)
			}
		})),
		one(m, "tools-schema", rule.Medium, shape, text{
			"Every tool has a schema for its input", "Nothing can be checked before the tool gets it.", "tools/list has a tool without inputSchema of the type object.", "Give the tool an inputSchema.",
		}, eachTool(func(t reading.Tool, out *found) {
			var schema struct {
				Type string `json:"type"`
			}
			if json.Unmarshal(t.Schema, &schema) != nil || schema.Type != "object" {
				out.add(t.Name, "%.60q has no schema for its input.", t.Name)
			}
		})),
		one(m, "tools-destructive", rule.Low, from(rule.L2, list("S0-54"), list("MCP02:2025"), list("MCP-T2", "MCP-T9"), list("CWE-1059")), text{
			"Tools that destroy say so", "Clients ask a person only where a tool says that it destroys.", "tools/list has a tool whose name says delete, drop or run, without annotations.destructiveHint.", "Set annotations.destructiveHint.",
		}, eachTool(func(t reading.Tool, out *found) {
			if _, told := t.Annotations["destructiveHint"]; destructive.MatchString(t.Name) && !told && t.Annotations["readOnlyHint"] != true {
				out.add(t.Name, "%.60q does not say whether it destroys.", t.Name)
			}
		})),
	}
}
