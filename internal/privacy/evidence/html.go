package evidence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed report.html
var page string

// Proofs lists the records of all controls, each once.
func (r Report) Proofs() []Record {
	var out []Record
	for _, c := range r.Controls {
		for _, x := range c.Records {
			if !slices.ContainsFunc(out, func(have Record) bool { return have.Sequence == x.Sequence }) {
				out = append(out, x)
			}
		}
	}
	return out
}

// HTML writes the report as one page that needs nothing else: no script, no
// font and no style from anywhere. It prints as it shows.
func (r Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"day":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
		"class": func(s State) string { return strings.ReplaceAll(string(s), " ", "-") },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page of reports: %w", err)
	}
	return t.Execute(w, struct {
		Report
		States []State
	}{r, []State{InPlace, Partly, NotInPlace, Attested, NotObserved}})
}
