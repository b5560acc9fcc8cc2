package subject

import "strings"

// Markdown returns the data map as a table.
func Markdown(places []Place) string {
	var b strings.Builder
	b.WriteString("| place | what | where | personal data | from | purpose | kept | erasure |\n|---|---|---|---|---|---|---|---|\n")
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, p := range places {
		for _, text := range []string{"`" + p.Name + "`", p.Title, p.Where, strings.Join(p.Data, ", "), p.Source, p.Purpose, p.Retention, p.Erasure} {
			b.WriteString("| " + cell.Replace(text) + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}
