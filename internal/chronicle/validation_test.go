package chronicle_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
)

// TestArgumentsAreChecked has one row for each bound of R1-1.
func TestArgumentsAreChecked(t *testing.T) {
	long := strings.Repeat("x", 501)
	many := strings.Repeat(`"a.example",`, 100) + `"a.example"`
	tests := []struct{ tool, args, want string }{ // want "" = accepted
		{"search_history", `{}`, "query: missing"},
		{"search_history", ``, "query: missing"},
		{"search_history", `{"query":null}`, "query: missing"},
		{"search_history", `{"query":""}`, "query: empty"},
		{"search_history", `{"query":"  "}`, "query: empty"},
		{"search_history", `{"query":5}`, "query: want a string"},
		{"search_history", `{"query":["a"]}`, "query: want a string"},
		{"search_history", `{"query":"` + long + `"}`, "query: longer than 500 characters"},
		{"search_history", `{"query":"a\u0000b"}`, "query: control characters or invalid UTF-8"},
		{"search_history", `{"query":"a\nb"}`, "query: control characters or invalid UTF-8"},
		{"search_history", `{"query":"a","limit":0}`, "limit: 0: want 1 to 100"},
		{"search_history", `{"query":"a","limit":-1}`, "limit: -1: want 1 to 100"},
		{"search_history", `{"query":"a","limit":101}`, "limit: 101: want 1 to 100"},
		{"search_history", `{"query":"a","limit":1}`, ""},
		{"search_history", `{"query":"a","limit":100}`, ""},
		{"search_history", `{"query":"a","limit":5.0}`, ""},
		{"search_history", `{"query":"a","limit":null}`, ""},
		{"search_history", `{"query":"a","limit":5.5}`, "limit: want an integer"},
		{"search_history", `{"query":"a","limit":"5"}`, "limit: want an integer"},
		{"search_history", `{"query":"a","limit":1e30}`, "limit: want an integer"},
		{"search_history", `{"query":"a","limit":true}`, "limit: want an integer"},
		{"search_history", `{"query":"a","format_type":"xml"}`, `format_type: "xml": want one of markdown, json`},
		{"search_history", `{"query":"a","format_type":"csv"}`, `format_type: "csv": want one of markdown, json`},
		{"search_history", `{"query":"a","format_type":"JSON"}`, ""},
		{"search_history", `{"query":"a","format_type":1}`, "format_type: want a string"},
		{"search_history", `{"query":"a","browser":"lynx"}`, `browser: "lynx": want one of chrome`},
		{"search_history", `{"query":"a","browser":"../../etc/passwd"}`, `browser: "../../etc/passwd": want one of`},
		{"search_history", `{"query":"a","browser":"firefox"}`, `browser "firefox": no history found; available: chrome`},
		{"search_history", `{"query":"a","browser":"CHROME"}`, ""},
		{"search_history", `{"query":"a","browser":"chrome:custom"}`, ""},
		{"search_history", `{"query":"a","browser":"chrome:../x"}`, `browser "chrome:../x": no such profile`},
		{"search_history", `{"query":"a","extra":1}`, `unknown argument "extra"`},
		{"search_history", `{"query":"a","Limit":1}`, `unknown argument "Limit"`},
		{"search_history", `{"query":"a","format":"json"}`, `unknown argument "format"`},
		{"search_history", `{"query":"a","query":"b"}`, "arguments: want one JSON object"},
		{"search_history", `{"query":"a","qu\u0065ry":"b"}`, "arguments: want one JSON object"},
		{"search_history", `{"query":"a"} {}`, "arguments: want one JSON object"},
		{"search_history", `["a"]`, "arguments: want one JSON object"},
		{"search_history", `{"query":"\ud800"}`, "arguments: want one JSON object"},
		{"search_history", "{\"query\":\"\xff\"}", "arguments: want one JSON object"},
		{"search_history", `{`, "arguments: want one JSON object"},
		{"get_recent_history", `{}`, ""},
		{"get_recent_history", `{"hours":0}`, "hours: 0: want 1 to 876000"},
		{"get_recent_history", `{"hours":-24}`, "hours: -24: want 1 to 876000"},
		{"get_recent_history", `{"hours":876001}`, "hours: 876001: want 1 to 876000"},
		{"get_recent_history", `{"hours":1}`, ""},
		{"get_recent_history", `{"limit":101}`, "limit: 101: want 1 to 100"},
		{"get_recent_history", `{"query":"a"}`, `unknown argument "query"`},
		{"count_visits", `{}`, "domain: missing"},
		{"count_visits", `{"domain":""}`, "domain: empty"},
		{"count_visits", `{"domain":"%"}`, `domain: "%": want a domain`},
		{"count_visits", `{"domain":"a b"}`, `domain: "a b": want a domain`},
		{"count_visits", `{"domain":"*.example.com"}`, `domain: "*.example.com": want a domain`},
		{"count_visits", `{"domain":"..."}`, `domain: "...": want a domain`},
		{"count_visits", `{"domain":"` + strings.Repeat("a.", 127) + `"}`, "domain: want a domain of 1 to 253 characters"},
		{"count_visits", `{"domain":"https://GitHub.com/golang"}`, ""},
		{"list_top_domains", `{"limit":50}`, ""},
		{"list_top_domains", `{"limit":51}`, "limit: 51: want 1 to 50"},
		{"search_history_by_date", `{"query":"a"}`, "start_date: missing"},
		{"search_history_by_date", `{"query":"a","start_date":"2026-01-01"}`, "end_date: missing"},
		{"search_history_by_date", `{"query":"a","start_date":"","end_date":"2026-01-01"}`, "start_date: empty"},
		{"search_history_by_date", `{"query":"a","start_date":"01/02/2026","end_date":"2026-01-01"}`, `start_date: "01/02/2026": want YYYY-MM-DD`},
		{"search_history_by_date", `{"query":"a","start_date":"2026-02-30","end_date":"2026-03-01"}`, `start_date: "2026-02-30": want YYYY-MM-DD`},
		{"search_history_by_date", `{"query":"a","start_date":"2026-03-01","end_date":"2026-03-01T00:00:00Z"}`, `end_date: "2026-03-01T00:00:00Z": want YYYY-MM-DD`},
		{"search_history_by_date", `{"query":"a","start_date":"2026-03-02","end_date":"2026-03-01"}`, "start_date: 2026-03-02 is after end_date 2026-03-01"},
		{"search_history_by_date", `{"query":"a","start_date":"2026-03-01","end_date":"2026-03-01"}`, ""},
		{"search_history_by_date", `{"query":"a","start_date":"2026-03-01","end_date":"2026-03-01","limit":101}`, "limit: 101: want 1 to 100"},
		{"search_by_domain", `{"domain":"a.example","query":""}`, ""},
		{"search_by_domain", `{"domain":"a.example","exclude_domains":"b"}`, "exclude_domains: want a list of strings"},
		{"search_by_domain", `{"domain":"a.example","exclude_domains":["b",""]}`, "exclude_domains: want a domain of 1 to 253 characters"},
		{"search_by_domain", `{"domain":"a.example","exclude_domains":["%"]}`, `exclude_domains: "%": want a domain`},
		{"search_by_domain", `{"domain":"a.example","exclude_domains":[` + many + `]}`, "exclude_domains: 101 domains, at most 100"},
		{"get_browser_stats", `{"limit":1}`, `unknown argument "limit"`},
		{"get_most_visited_pages", `{"limit":101}`, "limit: 101: want 1 to 100"},
		{"export_history", `{}`, ""},
		{"export_history", `{"limit":10000}`, ""},
		{"export_history", `{"limit":10001}`, "limit: 10001: want 1 to 10000"},
		{"export_history", `{"format_type":"markdown"}`, `format_type: "markdown": want one of csv, json`},
		{"search_history_advanced", `{"query":"a","sort_by":"size"}`, `sort_by: "size": want one of date, visit_count, title`},
		{"search_history_advanced", `{"query":"a","use_regex":"yes"}`, "use_regex: want true or false"},
		{"search_history_advanced", `{"query":"a","use_regex":true,"use_fuzzy":true}`, "use_regex, use_fuzzy: only one of them can be true"},
		{"search_history_advanced", `{"query":"(","use_regex":true}`, "query: not a regular expression in RE2 syntax"},
		{"search_history_advanced", `{"query":"(a+)+$","use_regex":true}`, ""},
		{"search_history_advanced", `{"query":"(?=a)","use_regex":true}`, "query: not a regular expression in RE2 syntax"},
		{"search_history_advanced", `{"query":"a","fuzzy_threshold":1.1}`, "fuzzy_threshold: 1.1: want 0 to 1"},
		{"search_history_advanced", `{"query":"a","fuzzy_threshold":-0.1}`, "fuzzy_threshold: -0.1: want 0 to 1"},
		{"search_history_advanced", `{"query":"a","fuzzy_threshold":"x"}`, "fuzzy_threshold: want a number"},
		{"search_history_advanced", `{"query":"a","use_fuzzy":true,"fuzzy_threshold":0}`, ""},
		{"get_bookmarks", `{"limit":0}`, "limit: 0: want 1 to 100"},
		{"get_downloads", `{"limit":101}`, "limit: 101: want 1 to 100"},
		{"list_available_browsers", `{"browser":"chrome"}`, `unknown argument "browser"`},
		{"delete_history", `{"query":"a"}`, `unknown tool "delete_history"`},
		{"sync_history", `{}`, `unknown tool "sync_history"`},
	}
	s := newSample(t)
	for _, tt := range tests {
		_, err := s.Call(t.Context(), tt.tool, []byte(tt.args))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s %.80s: %v", tt.tool, tt.args, err)
			}
			continue
		}
		var e *chronicle.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Message, tt.want) {
			t.Errorf("%s %.80s:\n got %v\nwant %s", tt.tool, tt.args, err, tt.want)
			continue
		}
		if e.Status != 400 && e.Status != 404 {
			t.Errorf("%s %.80s: status %d", tt.tool, tt.args, e.Status)
		}
	}
	t.Logf("%d cases", len(tests))
}

func TestConfigIsChecked(t *testing.T) {
	for _, tt := range []struct {
		change func(*chronicle.Config)
		want   string
	}{
		{func(c *chronicle.Config) { c.DefaultBrowser = "lynx" }, `default_browser: browser: "lynx": want one of chrome`},
		{func(c *chronicle.Config) { c.Paths = map[string]string{"lynx": "/x"} }, `paths: "lynx": want one of chrome`},
		{func(c *chronicle.Config) { c.Paths = map[string]string{"chrome": "x"} }, `paths.chrome: "x": want an absolute path`},
		{func(c *chronicle.Config) { c.BookmarkPaths = map[string]string{"edge": "x"} }, `bookmark_paths.edge: "x": want an absolute path`},
		{func(c *chronicle.Config) { c.CustomSensitiveParams = []string{"-"} }, `custom_sensitive_params: custom sensitive parameter "-"`},
		{func(c *chronicle.Config) { c.CacheTTL = -1 }, "cache_ttl: -1ns: want 0s to 24h"},
		{func(c *chronicle.Config) { c.CacheTTL = 25 * time.Hour }, "cache_ttl: 25h0m0s: want 0s to 24h"},
		{func(c *chronicle.Config) { c.CacheEntries = 0 }, "cache_entries: 0: want 1 to 64"},
		{func(c *chronicle.Config) { c.MaxDatabaseBytes = 1 }, "max_database_bytes: 1: want at least 1048576"},
		{func(c *chronicle.Config) { c.MaxPages = 1 }, "max_pages: 1: want 100 to 5000000"},
		{func(c *chronicle.Config) { c.SearchTimeout = 0 }, "search_timeout: 0s: want more than 0s, at most 1m"},
		{func(c *chronicle.Config) { c.TempDir = "x" }, `temp_dir: "x": want an absolute path`},
	} {
		cfg := chronicle.Default()
		tt.change(&cfg)
		if _, err := chronicle.New(cfg); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if err := chronicle.Default().Validate(); err != nil {
		t.Error(err)
	}
}
