package chronicle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle/browser"
	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
	"github.com/portcullis-dev/portcullis/internal/chronicle/match"
	"github.com/portcullis-dev/portcullis/internal/chronicle/render"
)

// checkRows is how many rows are worked on between two looks at the clock.
const checkRows = 512

// SearchHistory finds pages by Query in title or URL, latest first.
func (s *Server) SearchHistory(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "search_history", a)
}

// RecentHistory lists the pages of the last Hours.
func (s *Server) RecentHistory(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "get_recent_history", a)
}

// CountVisits counts the visits to Domain and what lies below it.
func (s *Server) CountVisits(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "count_visits", a)
}

// TopDomains lists the hosts with the most visits.
func (s *Server) TopDomains(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "list_top_domains", a)
}

// SearchByDate finds pages by Query among the visits from StartDate to EndDate.
func (s *Server) SearchByDate(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "search_history_by_date", a)
}

// SearchByDomain lists the pages of Domain, by Query if it is set.
func (s *Server) SearchByDomain(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "search_by_domain", a)
}

// BrowserStats sums up a history.
func (s *Server) BrowserStats(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "get_browser_stats", a)
}

// MostVisited lists the pages with the most visits.
func (s *Server) MostVisited(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "get_most_visited_pages", a)
}

// ExportHistory writes pages as CSV or JSON.
func (s *Server) ExportHistory(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "export_history", a)
}

// SearchAdvanced searches by text, regular expression or similarity.
func (s *Server) SearchAdvanced(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "search_history_advanced", a)
}

// AvailableBrowsers lists the browsers whose history can be read.
func (s *Server) AvailableBrowsers(ctx context.Context) (*Result, error) {
	return s.direct(ctx, "list_available_browsers", Args{})
}

// AvailableBookmarks lists the browsers whose bookmarks can be read.
func (s *Server) AvailableBookmarks(ctx context.Context) (*Result, error) {
	return s.direct(ctx, "list_available_bookmarks", Args{})
}

// AvailableDownloads lists the browsers whose downloads can be read.
func (s *Server) AvailableDownloads(ctx context.Context) (*Result, error) {
	return s.direct(ctx, "list_available_downloads", Args{})
}

// Bookmarks lists bookmarks, by Query if it is set.
func (s *Server) Bookmarks(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "get_bookmarks", a)
}

// Downloads lists downloads, by Query if it is set.
func (s *Server) Downloads(ctx context.Context, a Args) (*Result, error) {
	return s.direct(ctx, "get_downloads", a)
}

func runSearch(ctx context.Context, s *Server, c *call) (*Result, error) {
	hits, err := match.Filter(ctx, c.hist, c.Limit, match.Substring(c.Query), nil)
	if err != nil {
		return nil, err
	}
	return s.rows(c, hits, "", "No history found for: "+render.Title(c.Query))
}

func runRecent(_ context.Context, s *Server, c *call) (*Result, error) {
	since := history.Time(s.now().Add(-time.Duration(c.Hours) * time.Hour).UnixMicro())
	var hits []match.Hit
	for i := range c.hist.Pages { // latest first
		p := &c.hist.Pages[i]
		if p.Last < since || len(hits) == c.Limit {
			break
		}
		hits = append(hits, match.Hit{Page: p, At: p.Last})
	}
	return s.rows(c, hits, fmt.Sprintf("History from last %d hours:", c.Hours),
		fmt.Sprintf("No history found in the last %d hours", c.Hours))
}

func runCount(_ context.Context, s *Server, c *call) (*Result, error) {
	data := Count{Domain: c.Domain, Browser: c.label}
	for i := range c.hist.Pages {
		if match.Under(c.hist.Pages[i].Host, c.Domain) {
			data.Count += c.hist.Pages[i].Visits
		}
	}
	return answer("", data, func() string {
		return fmt.Sprintf("Visits to '%s' in %s: %d", data.Domain, data.Browser, data.Count)
	})
}

func runTopDomains(_ context.Context, s *Server, c *call) (*Result, error) {
	visits := map[string]int64{}
	for i := range c.hist.Pages {
		if p := &c.hist.Pages[i]; match.IsWeb(p) && p.Host != "" {
			visits[p.Host] += p.Visits
		}
	}
	data := TopDomains{Browser: c.label, Domains: make([]Domain, 0, len(visits))}
	for _, d := range slices.Sorted(maps.Keys(visits)) {
		data.Domains = append(data.Domains, Domain{d, visits[d]})
	}
	slices.SortStableFunc(data.Domains, func(a, b Domain) int { return cmp.Compare(b.Visits, a.Visits) })
	data.Domains = data.Domains[:min(len(data.Domains), c.Limit)]
	return answer(c.Format, data, func() string {
		lines := make([]string, len(data.Domains))
		for i, d := range data.Domains {
			lines[i] = fmt.Sprintf("- **%s** (%d visits)", render.Title(d.Domain), d.Visits)
		}
		return cmp.Or(strings.Join(lines, "\n\n"), "No domain data found")
	})
}

// runByDate looks at visits, so that a page is found in March although it was
// visited again in May; the timestamp is that of the last visit in the range.
func runByDate(ctx context.Context, s *Server, c *call) (*Result, error) {
	from, to := history.Time(c.start.UnixMicro()), history.Time(c.end.UnixMicro())
	matches := match.Substring(c.Query)
	last := map[int32]history.Time{}
	first, _ := slices.BinarySearchFunc(c.hist.Visits, to, func(v history.Visit, t history.Time) int {
		return cmp.Compare(t-1, v.At) // latest first: the first visit before the end
	})
	for _, v := range c.hist.Visits[first:] {
		if v.At < from {
			break
		}
		if _, ok := last[v.Page]; !ok {
			last[v.Page] = v.At
		}
	}
	for i := range c.hist.Pages { // pages whose visits the browser has dropped
		p := &c.hist.Pages[i]
		if p.Last >= from && p.Last < to {
			if i := int32(i); last[i] < p.Last { //nolint:gosec // bounded by MaxPages
				last[i] = p.Last
			}
		}
	}
	var hits []match.Hit
	for i, at := range last {
		if len(hits)%checkRows == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, ok := matches(&c.hist.Pages[i]); ok {
			hits = append(hits, match.Hit{Page: &c.hist.Pages[i], At: at})
		}
	}
	match.Sort(hits, "date")
	return s.rows(c, hits[:min(len(hits), c.Limit)], "", "No history found for: "+render.Title(c.Query))
}

func runByDomain(ctx context.Context, s *Server, c *call) (*Result, error) {
	allowed := match.Excluding(c.ExcludeDomains)
	hits, err := match.Filter(ctx, c.hist, c.Limit, match.Substring(c.Query), func(p *history.Page) bool {
		return match.Under(p.Host, c.Domain) && (allowed == nil || allowed(p))
	})
	if err != nil {
		return nil, err
	}
	what := c.Domain
	if c.Query != "" {
		what = fmt.Sprintf("'%s' in %s", render.Title(c.Query), c.Domain)
	}
	return s.rows(c, hits, "History for "+what+":", "No history found for domain: "+what)
}

func runStats(_ context.Context, s *Server, c *call) (*Result, error) {
	data := Stats{Browser: c.label, TotalEntries: len(c.hist.Pages), Truncated: c.hist.Truncated}
	hosts := map[string]bool{}
	var first, last history.Time
	see := func(t history.Time) {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
		last = max(last, t)
	}
	for i := range c.hist.Pages {
		p := &c.hist.Pages[i]
		data.TotalVisits += p.Visits
		see(p.Last)
		if match.IsWeb(p) {
			data.UniqueURLs++
			hosts[p.Host] = true
		}
	}
	if n := len(c.hist.Visits); n > 0 {
		see(c.hist.Visits[0].At)
		see(c.hist.Visits[n-1].At)
	}
	data.UniqueDomains = len(hosts)
	data.FirstVisit, data.LastVisit = s.stamp(first), s.stamp(last)
	return answer("json", data, nil)
}

func runMostVisited(_ context.Context, s *Server, c *call) (*Result, error) {
	var hits []match.Hit
	for i := range c.hist.Pages {
		if p := &c.hist.Pages[i]; match.IsWeb(p) {
			hits = append(hits, match.Hit{Page: p, At: p.Last})
		}
	}
	match.Sort(hits, "visit_count")
	hits = hits[:min(len(hits), c.Limit)]
	data := TopPages{Browser: c.label, Pages: make([]TopPage, len(hits))}
	items := make([]render.Item, len(hits))
	for i, h := range hits {
		data.Pages[i] = TopPage{h.Page.Title, h.Page.URL, h.Page.Visits}
		items[i] = render.Item{Title: h.Page.Title, URL: h.Page.URL, Facts: []string{fmt.Sprintf("Visits: %d", h.Page.Visits)}}
	}
	return answer(c.Format, data, func() string {
		if len(items) == 0 {
			return "No page data found"
		}
		return render.Markdown("Most visited pages:", items)
	})
}

func runExport(ctx context.Context, s *Server, c *call) (*Result, error) {
	hits, err := match.Filter(ctx, c.hist, c.Limit, match.Substring(c.Query), nil)
	if err != nil {
		return nil, err
	}
	data := Export{Browser: c.label, Format: c.Format, Count: len(hits)}
	if c.Format == "json" {
		data.Entries = make([]Row, len(hits))
		for i, h := range hits {
			data.Entries[i] = s.row(h)
		}
		return answer("json", data, nil)
	}
	rows := make([][]string, len(hits))
	for i, h := range hits {
		r := s.row(h)
		rows[i] = []string{r.Title, r.URL, ""}
		if r.Timestamp != nil {
			rows[i][2] = *r.Timestamp
		}
	}
	text, err := render.CSV([]string{"title", "url", "timestamp"}, rows)
	if err != nil {
		return nil, err
	}
	return &Result{Text: text, MIME: "text/csv", Data: data}, nil
}

func runAdvanced(ctx context.Context, s *Server, c *call) (*Result, error) {
	matches := match.Substring(c.Query)
	switch {
	case c.UseRegex:
		var err error
		if matches, err = match.Pattern(c.Query); err != nil {
			return nil, &Error{Status: 400, Message: "query: not a regular expression in RE2 syntax", Err: err}
		}
	case c.UseFuzzy:
		matches = match.Fuzzy(c.Query, c.FuzzyThreshold)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SearchTimeout)
	defer cancel()
	hits, err := match.Filter(ctx, c.hist, 0, matches, match.Excluding(c.ExcludeDomains))
	if err != nil {
		return nil, err
	}
	match.Sort(hits, c.SortBy)
	return s.rows(c, hits[:min(len(hits), c.Limit)], "", "No history found for: "+render.Title(c.Query))
}

func runBrowsers(keep func(browser.Profile) bool) func(context.Context, *Server, *call) (*Result, error) {
	return func(_ context.Context, s *Server, _ *call) (*Result, error) {
		var ps []browser.Profile
		for _, p := range s.profiles() {
			if keep(p) {
				ps = append(ps, p)
			}
		}
		data := Browsers{Browsers: browserNames(ps), Profiles: make([]Profile, len(ps))}
		if p, err := s.resolve(""); err == nil {
			data.Default = s.label(p)
		}
		for i, p := range ps {
			data.Profiles[i] = Profile{p.Browser, s.clean.Text(p.Name), s.clean.Text(p.ID())}
		}
		text := "No browsers with history found on this system"
		if len(ps) > 0 {
			text = "Available browsers: " + strings.Join(data.Browsers, ", ")
		}
		return answer("", data, func() string { return text })
	}
}

func runBookmarks(ctx context.Context, s *Server, c *call) (*Result, error) {
	marks, err := s.bookmarks(ctx, c.profile)
	if err != nil {
		return nil, publicError("bookmarks of "+c.label, err)
	}
	matches := match.Substring(c.Query)
	data := Bookmarks{Browser: c.label, Bookmarks: []Bookmark{}}
	var items []render.Item
	for _, b := range marks {
		if _, ok := matches(&history.Page{Title: b.Title, URL: b.URL}); !ok {
			continue
		}
		data.Bookmarks = append(data.Bookmarks, Bookmark{b.Title, b.URL, b.Folder, s.stamp(b.Added), b.Tags})
		item := render.Item{Title: b.Title, URL: b.URL}
		if b.Folder != "" {
			item.Facts = []string{"Folder: " + render.Title(b.Folder)}
		}
		items = append(items, item)
		if len(items) == c.Limit {
			break
		}
	}
	data.Count = len(items)
	return answer(c.Format, data, func() string { return cmp.Or(render.Markdown("", items), "No bookmarks found") })
}

// bookmarks reads a profile's bookmarks, wherever its browser keeps them.
func (s *Server) bookmarks(ctx context.Context, p browser.Profile) ([]history.Bookmark, error) {
	if p.Bookmarks != p.History {
		return s.read.Bookmarks(ctx, p.Bookmarks)
	}
	h, err := s.cache.Get(ctx, p.History)
	if err != nil {
		return nil, err
	}
	return h.Bookmarks, h.BookmarksErr
}

func runDownloads(_ context.Context, s *Server, c *call) (*Result, error) {
	if c.hist.DownloadsErr != nil {
		return nil, publicError("downloads of "+c.label, c.hist.DownloadsErr)
	}
	matches := match.Substring(c.Query)
	data := Downloads{Browser: c.label, Downloads: []Download{}}
	var items []render.Item
	for _, d := range c.hist.Downloads {
		if _, ok := matches(&history.Page{Title: d.File, URL: d.URL}); !ok {
			continue
		}
		out := Download{Filename: d.File, URL: d.URL, Timestamp: s.stamp(d.At), State: d.State}
		if d.Bytes >= 0 {
			out.Bytes = &d.Bytes
		}
		data.Downloads = append(data.Downloads, out)
		items = append(items, render.Item{Title: d.File, URL: d.URL, Facts: []string{"Timestamp: " + known(out.Timestamp)}})
		if len(items) == c.Limit {
			break
		}
	}
	data.Count = len(items)
	return answer(c.Format, data, func() string { return cmp.Or(render.Markdown("", items), "No downloads found") })
}

// hasHistory also lists a file that may not be read: calling it says which
// permission is missing.
func hasHistory(p browser.Profile) bool {
	_, err := os.Stat(p.History)
	return regular(p.History) || errors.Is(err, fs.ErrPermission)
}

func hasBookmarks(p browser.Profile) bool { return p.Family != browser.Safari && regular(p.Bookmarks) }

func hasDownloads(p browser.Profile) bool { return p.Family != browser.Safari && regular(p.History) }
