package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
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
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

const referenceIntro = `# Rules of portcullis check

<!-- Made from the sources by "go test ./internal/harden/check/render -run TestReference -update". -->

The rules that [portcullis check](check.md) has, by kind of target. "fix" means that --fix can mend it, "active" that it looks only with --intensity active. Guide rows, OWASP MCP Top 10 (MCP…), OWASP API Top 10 (API…), levels (L1 to L4) and threats (MCP-T…) of the CoSAI guidance and CWE numbers say where a rule comes from.

`

// Reference writes docs/check-rules.md.
func Reference(w io.Writer, rules []rule.Meta) error {
	var b bytes.Buffer
	b.WriteString(referenceIntro)
	fmt.Fprintf(&b, "%d rules.\n", len(rules))
	var kind rule.Kind
	for _, m := range rules {
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
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}
