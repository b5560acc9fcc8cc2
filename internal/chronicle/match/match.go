// Package match finds pages of a sanitized history: by text, regular
// expression or similarity. It sees only what callers may see, so no search can
// probe a hidden value.
package match

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
)

// checkEvery is how many rows are matched between two looks at the clock.
const checkEvery = 512

// Func says whether a sanitized page matches, and how well (0 when the
// search has no score).
type Func func(p *history.Page) (score float64, ok bool)

// Everything matches all pages.
func Everything(*history.Page) (float64, bool) { return 0, true }

// Substring matches pages whose title or URL holds q, whatever its case. There
// are no wildcards: "%" and "_" are characters.
func Substring(q string) Func {
	if q == "" {
		return Everything
	}
	f := newFinder(q)
	return func(p *history.Page) (float64, bool) { return 0, f.in(p.Title) || f.in(p.URL) }
}

// finder looks for a text without regard to case and without allocating for
// ASCII.
type finder struct {
	lower      string
	ascii      bool
	first, alt byte
}

func newFinder(q string) finder {
	f := finder{lower: strings.ToLower(q), ascii: true}
	for i := range len(q) {
		f.ascii = f.ascii && q[i] < utf8.RuneSelf
	}
	f.first = f.lower[0]
	f.alt = strings.ToUpper(f.lower[:1])[0]
	return f
}

func (f finder) in(s string) bool {
	if !f.ascii {
		return strings.Contains(strings.ToLower(s), f.lower)
	}
	for len(s) >= len(f.lower) {
		i := strings.IndexByte(s[:len(s)-len(f.lower)+1], f.first)
		if f.alt != f.first {
			limit := len(s) - len(f.lower) + 1
			if i >= 0 {
				limit = i
			}
			if j := strings.IndexByte(s[:limit], f.alt); j >= 0 {
				i = j
			}
		}
		if i < 0 {
			return false
		}
		if equalASCII(s[i:i+len(f.lower)], f.lower) {
			return true
		}
		s = s[i+1:]
	}
	return false
}

func equalASCII(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Pattern matches a regular expression in RE2 syntax, whatever the case. RE2
// takes time linear in the text, so a pattern cannot hang the server.
func Pattern(q string) (Func, error) {
	re, err := regexp.Compile("(?i)" + q)
	if err != nil {
		return nil, fmt.Errorf("compiling the pattern: %w", err)
	}
	return func(p *history.Page) (float64, bool) {
		return 0, re.MatchString(p.Title) || re.MatchString(p.URL)
	}, nil
}

const (
	fuzzyWords = 40 // words of a text that are compared
	fuzzyRunes = 64 // characters of a window
)

// Fuzzy matches texts that are similar to q. The ratio is 1 - d/n with d the
// Levenshtein distance and n the length of the longer text, both in lower case;
// it is the best of the whole title and of every run of as many consecutive
// words of title, host and path as q has.
func Fuzzy(q string, threshold float64) Func {
	want := []rune(strings.ToLower(q))
	width := max(1, len(words(q)))
	return func(p *history.Page) (float64, bool) {
		best := ratio(want, []rune(strings.ToLower(p.Title)), threshold)
		for _, text := range []string{p.Title, p.URL} {
			ws := words(text)
			for i := 0; i+width <= len(ws) && best < 1; i++ {
				window := []rune(strings.Join(ws[i:i+width], " "))
				best = max(best, ratio(want, window[:min(len(window), fuzzyRunes+len(want))], threshold))
			}
		}
		return best, best >= threshold
	}
}

// words parts a text at everything but letters and digits, in lower case.
func words(s string) []string {
	ws := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return r < utf8.RuneSelf && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
	return ws[:min(len(ws), fuzzyWords)]
}

// ratio returns the similarity of a and b, or 0 when it cannot reach the
// threshold.
func ratio(a, b []rune, threshold float64) float64 {
	n := max(len(a), len(b))
	if n == 0 {
		return 0
	}
	if diff := max(len(a)-len(b), len(b)-len(a)); 1-float64(diff)/float64(n) < threshold {
		return 0
	}
	return 1 - float64(distance(a, b))/float64(n)
}

// distance is the Levenshtein distance, with one row of memory.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, ca := range a {
		prev := row[0]
		row[0] = i + 1
		for j, cb := range b {
			cost := prev
			if ca != cb {
				cost = 1 + min(prev, row[j], row[j+1])
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// Hit is a page that matched.
type Hit struct {
	Page  *history.Page
	At    history.Time // of the visit that is shown
	Score float64      // similarity, 0 when the search has none
}

// Filter returns the pages that match, latest first, at most limit (0 = all).
// It ends with the error of ctx when that is done; keep may be nil.
func Filter(ctx context.Context, h *history.History, limit int, m Func, keep func(*history.Page) bool) ([]Hit, error) {
	var out []Hit
	for i := range h.Pages {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p := &h.Pages[i]
		if keep != nil && !keep(p) {
			continue
		}
		if score, ok := m(p); ok {
			if out = append(out, Hit{p, p.Last, score}); len(out) == limit {
				break
			}
		}
	}
	return out, nil
}

// Under reports whether a host is a domain or lies below it.
func Under(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.'
}

// Excluding returns a filter that drops the pages of domains, nil when there
// are none.
func Excluding(domains []string) func(*history.Page) bool {
	if len(domains) == 0 {
		return nil
	}
	return func(p *history.Page) bool {
		for _, d := range domains {
			if Under(p.Host, d) {
				return false
			}
		}
		return true
	}
}

// IsWeb reports an http or https page.
func IsWeb(p *history.Page) bool {
	return strings.HasPrefix(p.URL, "http://") || strings.HasPrefix(p.URL, "https://")
}

// Sort orders by date or visit count, most first, or by title.
func Sort(hits []Hit, by string) {
	titles := map[*history.Page]string{}
	if by == "title" {
		for _, h := range hits {
			titles[h.Page] = strings.ToLower(h.Page.Title)
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		c := 0
		switch by {
		case "visit_count":
			c = cmp.Compare(b.Page.Visits, a.Page.Visits)
		case "title":
			c = cmp.Compare(titles[a.Page], titles[b.Page])
		}
		return cmp.Or(c, cmp.Compare(b.At, a.At), cmp.Compare(a.Page.URL, b.Page.URL), cmp.Compare(a.Page.Title, b.Page.Title))
	})
}
