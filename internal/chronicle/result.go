package chronicle

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
	"github.com/portcullis-dev/portcullis/internal/chronicle/match"
	"github.com/portcullis-dev/portcullis/internal/chronicle/render"
)

// Result is the answer to a query.
type Result struct {
	Text string // in the format that was asked for
	MIME string // "text/markdown", "application/json" or "text/csv"
	Data any    // the same as a JSON object: one of the types below
}

// Row is one page of a history.
type Row struct {
	Title      string   `json:"title"`
	URL        string   `json:"url"`
	Timestamp  *string  `json:"timestamp"` // RFC 3339; null when the browser does not know
	VisitCount int64    `json:"visit_count"`
	Score      *float64 `json:"score,omitzero"` // of a fuzzy search
}

// Rows is the answer of the searches.
type Rows struct {
	Browser   string `json:"browser"`
	Results   []Row  `json:"results"`
	Count     int    `json:"count"`
	Truncated bool   `json:"truncated,omitzero"` // the oldest pages were not read (max_pages)
}

// Count is the answer of count_visits.
type Count struct {
	Domain  string `json:"domain"`
	Browser string `json:"browser"`
	Count   int64  `json:"count"`
}

// Domain is one entry of [TopDomains].
type Domain struct {
	Domain string `json:"domain"`
	Visits int64  `json:"visits"`
}

// TopDomains is the answer of list_top_domains.
type TopDomains struct {
	Browser string   `json:"browser"`
	Domains []Domain `json:"top_domains"`
}

// TopPage is one entry of [TopPages].
type TopPage struct {
	Title  string `json:"title"`
	URL    string `json:"url"`
	Visits int64  `json:"visits"`
}

// TopPages is the answer of get_most_visited_pages.
type TopPages struct {
	Browser string    `json:"browser"`
	Pages   []TopPage `json:"top_pages"`
}

// Stats is the answer of get_browser_stats.
type Stats struct {
	Browser       string  `json:"browser"`
	TotalEntries  int     `json:"total_entries"`
	TotalVisits   int64   `json:"total_visits"`
	UniqueURLs    int     `json:"unique_urls"` // http and https
	UniqueDomains int     `json:"unique_domains"`
	FirstVisit    *string `json:"first_visit"`
	LastVisit     *string `json:"last_visit"`
	Truncated     bool    `json:"truncated,omitzero"`
}

// Export is the answer of export_history; a CSV export has its entries in
// Result.Text only.
type Export struct {
	Browser string `json:"browser"`
	Format  string `json:"format"`
	Count   int    `json:"exported_entries"`
	Entries []Row  `json:"entries,omitempty"`
}

// Profile is one entry of [Browsers].
type Profile struct {
	Browser string `json:"browser"`
	Profile string `json:"profile"`
	ID      string `json:"id"` // for the browser argument
}

// Browsers is the answer of the three list_available_… queries.
type Browsers struct {
	Browsers []string  `json:"browsers"`
	Default  string    `json:"default"` // "" when there is none
	Profiles []Profile `json:"profiles"`
}

// Bookmark is one entry of [Bookmarks].
type Bookmark struct {
	Title  string   `json:"title"`
	URL    string   `json:"url"`
	Folder string   `json:"folder"`
	Added  *string  `json:"added"`
	Tags   []string `json:"tags,omitempty"`
}

// Bookmarks is the answer of get_bookmarks.
type Bookmarks struct {
	Browser   string     `json:"browser"`
	Bookmarks []Bookmark `json:"bookmarks"`
	Count     int        `json:"count"`
}

// Download is one entry of [Downloads].
type Download struct {
	Filename  string  `json:"filename"`
	URL       string  `json:"url"`
	Timestamp *string `json:"timestamp"`
	State     string  `json:"state,omitzero"`
	Bytes     *int64  `json:"bytes,omitzero"`
}

// Downloads is the answer of get_downloads.
type Downloads struct {
	Browser   string     `json:"browser"`
	Downloads []Download `json:"downloads"`
	Count     int        `json:"count"`
}

// stamp writes a time as RFC 3339 in the server's zone, nil when unknown.
func (s *Server) stamp(t history.Time) *string {
	if t == 0 {
		return nil
	}
	text := t.Std().In(s.loc).Format(time.RFC3339)
	return &text
}

func known(stamp *string) string {
	if stamp == nil {
		return "unknown"
	}
	return *stamp
}

func (s *Server) row(h match.Hit) Row {
	r := Row{Title: h.Page.Title, URL: h.Page.URL, Timestamp: s.stamp(h.At), VisitCount: h.Page.Visits}
	if h.Score > 0 {
		rounded := float64(int(h.Score*1000+0.5)) / 1000
		r.Score = &rounded
	}
	return r
}

// rows makes the Result of a search.
func (s *Server) rows(c *call, hits []match.Hit, heading, none string) (*Result, error) {
	data := Rows{
		Browser: c.label, Results: make([]Row, len(hits)), Count: len(hits), Truncated: c.hist.Truncated,
	}
	items := make([]render.Item, len(hits))
	for i, h := range hits {
		r := s.row(h)
		data.Results[i] = r
		items[i] = render.Item{Title: r.Title, URL: r.URL, Facts: []string{"Timestamp: " + known(r.Timestamp)}}
		if r.Score != nil {
			items[i].Facts = append(items[i].Facts, "Score: "+strconv.FormatFloat(*r.Score, 'g', -1, 64))
		}
	}
	return answer(c.Format, data, func() string {
		if len(items) == 0 {
			return none
		}
		return render.Markdown(heading, items)
	})
}

// answer writes data as JSON or, for any other format, with markdown.
func answer(format string, data any, markdown func() string) (*Result, error) {
	if format != "json" {
		return &Result{Text: markdown(), MIME: "text/markdown", Data: data}, nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return &Result{Text: string(text), MIME: "application/json", Data: data}, nil
}
