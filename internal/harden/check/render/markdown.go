package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// maxRows bounds the table of a comment, which has to fit a pull request.
const maxRows = 200

// Markdown writes a comment for a pull request.
func Markdown(w io.Writer, o outcome.Outcome) error {
	var b bytes.Buffer
	sign := "passed"
	if o.Failed {
		sign = "failed"
	}
	fmt.Fprintf(&b, "# Portcullis check %s: %d of 100, grade %s\n\n", sign, o.Score, o.Grade)
	var found []string
	for _, s := range rule.Severities() {
		if n := o.Counts.Findings[s.String()]; n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(found) == 0 {
		found = []string{"none"}
	}
	fmt.Fprintf(&b, "Findings: %s. Verdicts: %d passed, %d failed, %d unknown, %d skipped; %s suppressed.\n",
		strings.Join(found, ", "), o.Counts.Pass, o.Counts.Fail, o.Counts.Unknown, o.Counts.Skipped, many(o.Counts.Suppressed, "finding"))
	if c := o.Change; c != nil {
		fmt.Fprintf(&b, "\nSince %s: %s, %d mended%s.\n", c.Since.Format("2006-01-02 15:04"), many(c.New, "new finding"), len(c.Mended), unseen(c))
	}
	for _, t := range o.Unread() {
		fmt.Fprintf(&b, "\n**Not read:** %s\n", cell(t))
	}
	if len(o.First) > 0 {
		b.WriteString("\n## Do first\n\n")
		for i, task := range o.First[:min(len(o.First), maxTasks)] {
			fmt.Fprintf(&b, "%d. %s (`%s`, %s, %s)\n", i+1, cell(task.Fix), task.Rule, task.Severity, many(task.Findings, "finding"))
		}
	}
	if rows := markdownRows(o); len(rows) > 0 {
		b.WriteString("\n## Findings\n\n| severity | rule | where | what |\n|---|---|---|---|\n")
		for i, row := range rows {
			if i == maxRows {
				fmt.Fprintf(&b, "\n%d more findings are in the full report.\n", len(rows)-i)
				break
			}
			b.WriteString(row)
		}
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// markdownRows returns the rows of the table, the worst first.
func markdownRows(o outcome.Outcome) []string {
	var rows []string
	for _, s := range rule.Severities() {
		for _, t := range o.Targets {
			for _, r := range t.Results {
				if r.Severity != s {
					continue
				}
				for _, f := range r.Findings {
					at := place(f)
					if f.File == "" {
						at = strings.TrimSuffix(t.Name+" "+at, " ")
					}
					mark := ""
					if f.New {
						mark = "**new** "
					}
					rows = append(rows, fmt.Sprintf("| %s | `%s` | %s | %s |\n", s, r.ID, cell(at), mark+cell(f.Message)))
				}
			}
		}
	}
	return rows
}

// cell makes a text one cell of a table, in which nothing is markup.
func cell(s string) string {
	return strings.NewReplacer(
		"\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "!", "\\!",
	).Replace(plain(s))
}
