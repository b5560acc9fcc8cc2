package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/checklist"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// Explain writes all that a rule says of itself.
func Explain(w io.Writer, m rule.Meta) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s (%s, %s)\n%s.\n\n%s\n\nVerify: %s\nFix:    %s\n", m.ID, m.Kind, m.Severity, m.Title, m.Why, m.Verify, m.Fix)
	if m.Fixable {
		b.WriteString("        'portcullis check --fix' does it.\n")
	}
	if m.Active {
		b.WriteString("Looks only with --intensity active.\n")
	}
	fmt.Fprintf(&b, "\n%s\n", strings.Join(references(m), ", "))
	if m.CoSAI > 0 {
		fmt.Fprintf(&b, "  CoSAI %-6s %s\n", m.CoSAI, topic.Level(m.CoSAI))
	}
	for _, ref := range slices.Concat(m.OWASP, m.Threats, m.CWE) {
		name, _ := topic.Name(ref)
		fmt.Fprintf(&b, "  %-12s %s\n", ref, name)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

const referenceIntro = `# Rules of portcullis check

<!-- Made from the sources by "go test ./internal/harden/check/render -run TestReference -update". -->

The rules that [portcullis check](check.md) has, by kind of target. "fix" means that --fix can mend it, "active" that it looks only with --intensity active. Guide rows, OWASP MCP Top 10 (MCP…), OWASP API Top 10 (API…), levels (L1 to L4) and threats (MCP-T…) of the CoSAI guidance and CWE numbers say where a rule comes from.

`

const checklistsIntro = `# Checklists of the guides

<!-- Made from the sources by "go test ./internal/harden/check/render -run TestChecklists -update". -->

What [portcullis check](check.md) answers of each line of the checklists. Rules look by themselves; what begins with "attestation-" is said by a person, with an end. A line that is answered by an attestation beside rules is one of which the rules see a part only.

| row | line | rules | people |
|---|---|---|---|
`

// Checklists writes docs/check-checklists.md.
func Checklists(w io.Writer, lines []checklist.Line) error {
	var b bytes.Buffer
	b.WriteString(checklistsIntro)
	for _, l := range lines {
		var rules, people []string
		for _, id := range l.Rules {
			if strings.HasPrefix(id, rule.Attestation.Prefix()) {
				people = append(people, "`"+id+"`")
			} else {
				rules = append(rules, "`"+id+"`")
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.Row, cell(l.Text), strings.Join(rules, ", "), strings.Join(people, ", "))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

const sourcesIntro = `
## Where they come from

- Threats (MCP-T1 to MCP-T12) and levels: "Model Context Protocol (MCP) Security" by CoSAI, in the revision of 29 May 2026. A level is the lowest at which the guidance asks for what the rule is about (MUST or SHOULD): L1 personal and experimental, L2 internal, L3 production, L4 regulated. Rules without one are about what the guidance does not name.
- MCP01 to MCP10: the OWASP MCP Top 10, beta of 2025. API1 to API10: the OWASP API Security Top 10 of 2023. A01 to A10: the OWASP Top 10 of 2021.
- CWE: the Common Weakness Enumeration; only weaknesses, no categories.
- Ends of base images: the makers' own dates, as endoflife.date collects them; for Debian the end of long term support.

| reference | name | rules |
|---|---|---|
`

// natural orders references by source and number.
func natural(a, b string) int {
	split := func(s string) (string, int, string) {
		i := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
		head, rest := s[:i], s[i:]
		digits, tail, _ := strings.Cut(rest, ":")
		n, _ := strconv.Atoi(digits)
		return head, n, tail
	}
	ah, an, at := split(a)
	bh, bn, bt := split(b)
	return cmp.Or(strings.Compare(ah, bh), cmp.Compare(an, bn), strings.Compare(at, bt))
}

// Reference writes docs/check-rules.md.
func Reference(w io.Writer, rules []rule.Meta) error {
	var b bytes.Buffer
	b.WriteString(referenceIntro)
	fmt.Fprintf(&b, "%d rules.\n", len(rules))
	var kind rule.Kind
	named := map[string]int{}
	for _, m := range rules {
		for _, ref := range slices.Concat(m.OWASP, m.Threats, m.CWE) {
			named[ref]++
		}
		if m.Kind != kind {
			kind = m.Kind
			fmt.Fprintf(&b, "\n## %s\n\n| rule | severity | what must hold | fix | from |\n|---|---|---|---|---|\n", kind)
		}
		marks := ""
		if m.Fixable {
			marks += " (fix)"
		}
		if m.Active {
			marks += " (active)"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s. %s | %s | %s |\n", m.ID, marks, m.Severity, cell(m.Title), cell(m.Why), cell(m.Fix), strings.Join(references(m), ", "))
	}
	b.WriteString(sourcesIntro)
	for _, ref := range slices.SortedFunc(maps.Keys(named), natural) {
		name, _ := topic.Name(ref)
		fmt.Fprintf(&b, "| %s | %s | %d |\n", ref, cell(name), named[ref])
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}
