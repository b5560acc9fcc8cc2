package chronicle

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis/internal/chronicle/browser"
	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
)

// Args are the arguments of all queries; each query takes those that its tool
// lists. For the Go functions the zero value of a field means its default.
type Args struct {
	Query          string
	Domain         string
	ExcludeDomains []string
	Browser        string // "firefox" or "chrome:Profile 1"
	Format         string // "markdown" or "json"; for export "csv" or "json"
	StartDate      string // YYYY-MM-DD, first day
	EndDate        string // YYYY-MM-DD, last day
	SortBy         string // "date", "visit_count" or "title"
	Limit          int
	Hours          int
	UseRegex       bool
	UseFuzzy       bool
	FuzzyThreshold float64 // 0 to 1

	start, end time.Time // of StartDate, and after EndDate
}

type kind uint8

const (
	kindString kind = iota
	kindInt
	kindNumber
	kindBool
	kindStrings
)

// field describes one argument: its JSON Schema, default and bounds.
type field struct {
	name     string
	kind     kind
	desc     string
	required bool
	def      any
	min, max float64
	enum     []string
}

const (
	maxQuery   = 500 // characters
	maxDomain  = 253
	maxDomains = 100
	maxHours   = 876_000 // a century
)

// pointer returns where an argument is kept.
func (a *Args) pointer(name string) any {
	switch name {
	case "query":
		return &a.Query
	case "domain":
		return &a.Domain
	case "exclude_domains":
		return &a.ExcludeDomains
	case "browser":
		return &a.Browser
	case "format_type":
		return &a.Format
	case "start_date":
		return &a.StartDate
	case "end_date":
		return &a.EndDate
	case "sort_by":
		return &a.SortBy
	case "limit":
		return &a.Limit
	case "hours":
		return &a.Hours
	case "use_regex":
		return &a.UseRegex
	case "use_fuzzy":
		return &a.UseFuzzy
	case "fuzzy_threshold":
		return &a.FuzzyThreshold
	}
	return nil
}

// setDefault fills an argument that is zero.
func (a *Args) setDefault(f field) {
	switch p := a.pointer(f.name).(type) {
	case *string:
		if d, ok := f.def.(string); ok && *p == "" {
			*p = d
		}
	case *int:
		if d, ok := f.def.(int); ok && *p == 0 {
			*p = d
		}
	case *float64:
		if d, ok := f.def.(float64); ok && *p == 0 {
			*p = d
		}
	}
}

// decodeArgs reads a JSON object strictly: unknown and duplicate names, wrong
// types and trailing bytes are refused. Absent arguments get their defaults;
// null counts as absent.
func decodeArgs(data []byte, fields []field) (Args, error) {
	var a Args
	for _, f := range fields {
		a.setDefault(f)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	var object map[string]jsontext.Value
	if err := json.Unmarshal(data, &object); err != nil {
		return a, &Error{Status: 400, Message: "arguments: want one JSON object without duplicate names", Err: err}
	}
	seen := map[string]bool{}
	for _, f := range fields {
		raw, ok := object[f.name]
		if !ok || raw.Kind() == 'n' {
			continue
		}
		seen[f.name] = true
		if err := a.decode(f, raw); err != nil {
			return a, err
		}
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			return a, invalid("%s: missing", f.name)
		}
	}
	for name := range object {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return a, invalid("unknown argument %q", clip(name))
		}
	}
	return a, nil
}

func (a *Args) decode(f field, raw jsontext.Value) error {
	switch p := a.pointer(f.name).(type) {
	case *string:
		if json.Unmarshal(raw, p) != nil {
			return invalid("%s: want a string", f.name)
		}
	case *[]string:
		if json.Unmarshal(raw, p) != nil {
			return invalid("%s: want a list of strings", f.name)
		}
	case *bool:
		if json.Unmarshal(raw, p) != nil {
			return invalid("%s: want true or false", f.name)
		}
	case *float64:
		if json.Unmarshal(raw, p) != nil {
			return invalid("%s: want a number", f.name)
		}
	case *int:
		var n float64 // 5.0 is an integer in JSON Schema
		if json.Unmarshal(raw, &n) != nil || n != math.Trunc(n) || math.Abs(n) > 1<<31 {
			return invalid("%s: want an integer", f.name)
		}
		*p = int(n)
	}
	return nil
}

// check validates the arguments and brings them to their normal form.
func (a *Args) check(fields []field, loc *time.Location) error {
	for _, f := range fields {
		if err := a.checkField(f); err != nil {
			return err
		}
	}
	if a.UseRegex && a.UseFuzzy {
		return invalid("use_regex, use_fuzzy: only one of them can be true")
	}
	if a.StartDate == "" {
		return nil
	}
	var err error
	if a.start, err = time.ParseInLocation(time.DateOnly, a.StartDate, loc); err != nil {
		return invalid("start_date: %q: want YYYY-MM-DD", clip(a.StartDate))
	}
	last, err := time.ParseInLocation(time.DateOnly, a.EndDate, loc)
	if err != nil {
		return invalid("end_date: %q: want YYYY-MM-DD", clip(a.EndDate))
	}
	if last.Before(a.start) {
		return invalid("start_date: %s is after end_date %s", a.StartDate, a.EndDate)
	}
	a.end = last.AddDate(0, 0, 1)
	return nil
}

func (a *Args) checkField(f field) error {
	switch p := a.pointer(f.name).(type) {
	case *int:
		if float64(*p) < f.min || float64(*p) > f.max {
			return invalid("%s: %d: want %d to %d", f.name, *p, int(f.min), int(f.max))
		}
	case *float64:
		if math.IsNaN(*p) || *p < f.min || *p > f.max {
			return invalid("%s: %v: want %v to %v", f.name, *p, f.min, f.max)
		}
	case *string:
		return a.checkString(f, p)
	case *[]string:
		if len(*p) > maxDomains {
			return invalid("%s: %d domains, at most %d", f.name, len(*p), maxDomains)
		}
		clean := make([]string, len(*p))
		for i, d := range *p {
			var err error
			if clean[i], err = domain(f.name, d); err != nil {
				return err
			}
		}
		*p = clean
	}
	return nil
}

func (a *Args) checkString(f field, p *string) error {
	*p = strings.TrimSpace(*p)
	if *p == "" {
		if f.required {
			return invalid("%s: empty", f.name)
		}
		return nil
	}
	if !utf8.ValidString(*p) || strings.ContainsFunc(*p, unicode.IsControl) {
		return invalid("%s: control characters or invalid UTF-8", f.name)
	}
	if utf8.RuneCountInString(*p) > maxQuery {
		return invalid("%s: longer than %d characters", f.name, maxQuery)
	}
	var err error
	switch f.name {
	case "domain":
		*p, err = domain(f.name, *p)
	case "browser":
		_, _, err = parseBrowser(*p)
	default:
		if len(f.enum) > 0 {
			if *p = strings.ToLower(*p); !slices.Contains(f.enum, *p) {
				err = invalid("%s: %q: want one of %s", f.name, clip(*p), strings.Join(f.enum, ", "))
			}
		}
	}
	return err
}

// domain checks a host name: "github.com". A whole URL is cut to its host.
func domain(name, d string) (string, error) {
	host := strings.ToLower(strings.TrimSpace(d))
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	if host == "" || len(host) > maxDomain {
		return "", invalid("%s: want a domain of 1 to %d characters", name, maxDomain)
	}
	for _, r := range host {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_:[]", r) {
			return "", invalid("%s: %q: want a domain such as example.com", name, clip(d))
		}
	}
	if !strings.HasPrefix(host, "[") {
		host, _, _ = strings.Cut(host, ":")
	}
	if host = strings.Trim(host, "."); host == "" {
		return "", invalid("%s: %q: want a domain such as example.com", name, clip(d))
	}
	return host, nil
}

// parseBrowser parts "chrome:Profile 1".
func parseBrowser(s string) (name, profile string, err error) {
	name, profile, _ = strings.Cut(s, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if _, ok := browser.FamilyOf(name); !ok {
		return "", "", invalid("browser: %q: want one of %s", clip(s), strings.Join(browser.Names(), ", "))
	}
	return name, strings.TrimSpace(profile), nil
}

// clip shortens a caller's value for an error message.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if invisible.Rune(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
