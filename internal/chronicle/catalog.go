package chronicle

import "slices"

// limit, text and choice make the fields that several queries share.

func limit(def, most int) field {
	return field{name: "limit", kind: kindInt, def: def, min: 1, max: float64(most), desc: "Maximum number of results"}
}

func text(name, desc string, required bool) field {
	return field{name: name, kind: kindString, desc: desc, required: required}
}

func choice(name, def, desc string, values ...string) field {
	return field{name: name, kind: kindString, def: def, enum: values, desc: desc}
}

func which() field {
	return text("browser", "Browser, or browser:profile, from list_available_browsers; default: chrome if present", false)
}

func format() field {
	return choice("format_type", "markdown", "Format of the text", "markdown", "json")
}

func phrase() field {
	return text("query", "Text to find in title or URL; no wildcards, case does not matter", true)
}

func anyText() field { return text("query", "Text to find in title or URL", false) }

func host() field { return text("domain", "Domain, with all below it: github.com", true) }

func day(name, desc string) field { return text(name, desc+", YYYY-MM-DD in local time", true) }

func exclude() field {
	return field{name: "exclude_domains", kind: kindStrings, desc: "Domains whose pages are left out"}
}

// queries lists every query, in the order tools/list shows them.
func queries() []query { return slices.Concat(searches(), wholes(), marks()) }

// searches find pages.
func searches() []query {
	return []query{
		{
			tool: "list_available_browsers", title: "Available browsers", route: "GET /api/browsers", output: browsersSchema(),
			desc: "Lists the browsers and profiles whose history can be read.", run: runBrowsers(hasHistory),
		},
		{
			tool: "search_history", title: "Search history", route: "POST /api/search", needs: needHistory,
			desc:   "Searches titles and URLs of the browser history, latest first.",
			fields: []field{phrase(), limit(5, 100), which(), format()}, output: rowsSchema(), run: runSearch,
		},
		{
			tool: "get_recent_history", title: "Recent history", route: "POST /api/recent", needs: needHistory,
			desc: "Lists the pages visited in the last hours, latest first.",
			fields: []field{
				{name: "hours", kind: kindInt, def: 24, min: 1, max: maxHours, desc: "How far to look back, in hours"},
				limit(20, 100), which(), format(),
			}, output: rowsSchema(), run: runRecent,
		},
		{
			tool: "search_history_by_date", title: "Search history by date", route: "POST /api/search-date", needs: needHistory,
			desc:   "Searches the pages visited from one day to another, both included.",
			fields: []field{phrase(), day("start_date", "First day"), day("end_date", "Last day"), limit(10, 100), which(), format()},
			output: rowsSchema(), run: runByDate,
		},
		{
			tool: "search_by_domain", title: "Search a domain", route: "POST /api/domain-search", needs: needHistory,
			desc:   "Lists the visited pages of a domain, optionally those that hold a text.",
			fields: []field{host(), anyText(), limit(20, 100), which(), format(), exclude()}, output: rowsSchema(), run: runByDomain,
		},
		{
			tool: "search_history_advanced", title: "Advanced search", route: "POST /api/advanced-search", needs: needHistory,
			desc: "Searches the whole history by text, regular expression (RE2) or similarity, with a choice of order.",
			fields: []field{
				phrase(), limit(20, 100), which(), format(), exclude(),
				choice("sort_by", "date", "Order of the results", "date", "visit_count", "title"),
				{name: "use_regex", kind: kindBool, def: false, desc: "The query is a regular expression in RE2 syntax"},
				{name: "use_fuzzy", kind: kindBool, def: false, desc: "Find similar texts, such as typing errors"},
				{
					name: "fuzzy_threshold", kind: kindNumber, def: 0.6, min: 0, max: 1,
					desc: "Least similarity: 1 - edit distance / length",
				},
			}, output: rowsSchema(), run: runAdvanced,
		},
	}
}

// wholes sum a history up or write it out.
func wholes() []query {
	return []query{
		{
			tool: "count_visits", title: "Count visits", route: "POST /api/count", needs: needHistory,
			desc:   "Counts the visits to a domain and the domains below it.",
			fields: []field{host(), which()}, output: countSchema(), run: runCount,
		},
		{
			tool: "list_top_domains", title: "Top domains", route: "POST /api/top-domains", needs: needHistory,
			desc:   "Lists the domains with the most visits.",
			fields: []field{limit(10, 50), which(), format()}, output: topDomainsSchema(), run: runTopDomains,
		},
		{
			tool: "get_browser_stats", title: "Statistics", route: "POST /api/stats", needs: needHistory,
			desc:   "Sums up a history: pages, visits, domains, first and last visit.",
			fields: []field{which()}, output: statsSchema(), run: runStats,
		},
		{
			tool: "get_most_visited_pages", title: "Most visited pages", route: "POST /api/most-visited", needs: needHistory,
			desc:   "Lists the pages with the most visits.",
			fields: []field{limit(20, 100), which(), format()}, output: topPagesSchema(), run: runMostVisited,
		},
		{
			tool: "export_history", title: "Export history", route: "POST /api/export", needs: needHistory,
			desc: "Writes the history as CSV or JSON, latest first.",
			fields: []field{
				choice("format_type", "csv", "Format of the export", "csv", "json"), limit(1000, 10000), anyText(), which(),
			}, output: exportSchema(), run: runExport,
		},
	}
}

// marks list bookmarks and downloads.
func marks() []query {
	return []query{
		{
			tool: "list_available_bookmarks", title: "Browsers with bookmarks", route: "GET /api/bookmarks", output: browsersSchema(),
			desc: "Lists the browsers whose bookmarks can be read.", run: runBrowsers(hasBookmarks),
		},
		{
			tool: "list_available_downloads", title: "Browsers with downloads", route: "GET /api/downloads", output: browsersSchema(),
			desc: "Lists the browsers whose downloads can be read.", run: runBrowsers(hasDownloads),
		},
		{
			tool: "get_bookmarks", title: "Bookmarks", route: "POST /api/bookmarks/query", needs: needProfile,
			desc:   "Lists bookmarks with their folders, optionally those that hold a text.",
			fields: []field{anyText(), limit(50, 100), which(), format()}, output: bookmarksSchema(), run: runBookmarks,
		},
		{
			tool: "get_downloads", title: "Downloads", route: "POST /api/downloads/query", needs: needHistory,
			desc:   "Lists downloads, latest first, optionally those that hold a text.",
			fields: []field{anyText(), limit(50, 100), which(), format()}, output: downloadsSchema(), run: runDownloads,
		},
	}
}
