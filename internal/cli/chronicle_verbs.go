package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
	"github.com/portcullis-dev/portcullis/internal/chronicle/render"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// chronicleVerb is one read tool as a verb.
type chronicleVerb struct {
	name    string
	tool    string
	short   string
	example string
	subject string // argument of the tool that stands behind the verb
	args    []chronicleArg
	formats []string // the first one is the default
}

func (q *chronicleVerb) checkFormat(format string) error {
	if !slices.Contains(q.formats, format) {
		return frame.Usagef("--format %q: want %s", format, strings.Join(q.formats, " or "))
	}
	return nil
}

// chronicleArg is an argument of a tool as a flag. An argument that is not
// given is not sent: the tool knows its defaults and bounds.
type chronicleArg struct {
	name string // of the tool's argument; the flag has dashes
	kind string // string, strings, int, number, bool
	help string
}

func (a chronicleArg) flag() string { return strings.ReplaceAll(a.name, "_", "-") }

func (a chronicleArg) add(f *pflag.FlagSet) {
	switch a.kind {
	case "int":
		f.Int(a.flag(), 0, a.help)
	case "number":
		f.Float64(a.flag(), 0, a.help)
	case "bool":
		f.Bool(a.flag(), false, a.help)
	case "strings":
		f.StringSlice(a.flag(), nil, a.help)
	default:
		f.String(a.flag(), "", a.help)
	}
}

func (a chronicleArg) set(in map[string]any, f *pflag.FlagSet) (err error) {
	if !f.Changed(a.flag()) {
		return nil
	}
	switch a.kind {
	case "int":
		in[a.name], err = f.GetInt(a.flag())
	case "number":
		in[a.name], err = f.GetFloat64(a.flag())
	case "bool":
		in[a.name], err = f.GetBool(a.flag())
	case "strings":
		in[a.name], err = f.GetStringSlice(a.flag())
	default:
		in[a.name], err = f.GetString(a.flag())
	}
	if err != nil {
		return fmt.Errorf("reading --%s: %w", a.flag(), err)
	}
	return nil
}

// chronicleQueries lists the read tools in the order of their use.
func chronicleQueries() []chronicleVerb {
	var (
		limit   = chronicleArg{"limit", "int", "at most this `many`"}
		browser = chronicleArg{"browser", "string", "`browser`, or browser:profile (default chrome if present)"}
		query   = chronicleArg{"query", "string", "only those with this `text` in title or URL"}
		exclude = chronicleArg{"exclude_domains", "strings", "leave pages of these `domains` out"}
		day     = func(name, which string) chronicleArg {
			return chronicleArg{name, "string", which + " `day`, YYYY-MM-DD"}
		}
		rows = []string{"markdown", "json", "csv"}
		text = []string{"markdown", "json"}
		args = func(a ...chronicleArg) []chronicleArg { return a }
	)
	return []chronicleVerb{
		{"search", "search_history", "Search titles and URLs, latest first", "search golang --limit 3 --format json", "query", args(limit, browser), rows},
		{"recent", "get_recent_history", "List what was visited in the last hours", "recent --hours 2", "", args(
			chronicleArg{"hours", "int", "how many `hours` to look back (default 24)"}, limit, browser), rows},
		{"search-date", "search_history_by_date", "Search between two days", "search-date golang --start-date 2026-01-01 --end-date 2026-01-31", "query",
			args(day("start_date", "first"), day("end_date", "last"), limit, browser), rows},
		{"search-domain", "search_by_domain", "List the pages of a domain", "search-domain github.com --query issues", "domain", args(query, limit, browser, exclude), rows},
		{"search-advanced", "search_history_advanced", "Search by regular expression or similarity", "search-advanced 'go(lang)?\\b' --use-regex --sort-by visit_count", "query", args(
			chronicleArg{"use_regex", "bool", "the query is a regular expression in RE2 syntax"},
			chronicleArg{"use_fuzzy", "bool", "find similar texts"},
			chronicleArg{"fuzzy_threshold", "number", "least `similarity`, 0 to 1 (default 0.6)"},
			chronicleArg{"sort_by", "string", "`order`: date, visit_count or title"}, exclude, limit, browser), rows},
		{"domains", "list_top_domains", "List the domains with the most visits", "domains --limit 5", "", args(limit, browser), rows},
		{"pages", "get_most_visited_pages", "List the pages with the most visits", "pages --limit 5", "", args(limit, browser), rows},
		{"count", "count_visits", "Count the visits to a domain", "count github.com", "domain", args(browser), text},
		{"stats", "get_browser_stats", "Sum up a history", "stats --browser firefox", "", args(browser), text},
		{"export", "export_history", "Write the history as CSV or JSON", "export --format csv --limit 10000 > history.csv", "", args(query, limit, browser), []string{"csv", "json"}},
		{"bookmarks", "get_bookmarks", "List bookmarks with their folders", "bookmarks --query recipe", "", args(query, limit, browser), rows},
		{"downloads", "get_downloads", "List downloads, latest first", "downloads --limit 10", "", args(query, limit, browser), rows},
		{"browsers", "list_available_browsers", "List the browsers whose history can be read", "browsers --output json", "", nil, text},
		{"bookmark-browsers", "list_available_bookmarks", "List the browsers whose bookmarks can be read", "bookmark-browsers", "", nil, text},
		{"download-browsers", "list_available_downloads", "List the browsers whose downloads can be read", "download-browsers", "", nil, text},
	}
}

// chronicleCSV writes the rows of an answer so that no spreadsheet takes a
// title for a formula.
func chronicleCSV(data any) (string, error) {
	var head []string
	var rows [][]string
	switch d := data.(type) {
	case chronicle.Rows:
		head = []string{"title", "url", "timestamp", "visit_count"}
		for _, r := range d.Results {
			rows = append(rows, []string{r.Title, r.URL, orEmpty(r.Timestamp), strconv.FormatInt(r.VisitCount, 10)})
		}
	case chronicle.TopDomains:
		head = []string{"domain", "visits"}
		for _, r := range d.Domains {
			rows = append(rows, []string{r.Domain, strconv.FormatInt(r.Visits, 10)})
		}
	case chronicle.TopPages:
		head = []string{"title", "url", "visits"}
		for _, r := range d.Pages {
			rows = append(rows, []string{r.Title, r.URL, strconv.FormatInt(r.Visits, 10)})
		}
	case chronicle.Bookmarks:
		head = []string{"title", "url", "folder", "added"}
		for _, r := range d.Bookmarks {
			rows = append(rows, []string{r.Title, r.URL, r.Folder, orEmpty(r.Added)})
		}
	case chronicle.Downloads:
		head = []string{"filename", "url", "timestamp", "state"}
		for _, r := range d.Downloads {
			rows = append(rows, []string{r.Filename, r.URL, orEmpty(r.Timestamp), r.State})
		}
	default:
		return "", fmt.Errorf("this answer has no rows for CSV: %T", data)
	}
	return render.CSV(head, rows)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
