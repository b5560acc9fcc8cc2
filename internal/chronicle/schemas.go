package chronicle

// Output schemas of the tools. Objects stay open: fields may be added.

func object(required []string, props schema) schema {
	return schema{"type": "object", "properties": props, "required": required}
}

func list(item schema) schema { return schema{"type": "array", "items": item} }

func str() schema     { return schema{"type": "string"} }
func integer() schema { return schema{"type": "integer"} }
func boolean() schema { return schema{"type": "boolean"} }

// moment is an RFC 3339 time, or null when the browser does not know it.
func moment() schema {
	return schema{"type": []string{"string", "null"}, "description": "RFC 3339, null when unknown"}
}

func rowSchema() schema {
	return object([]string{"title", "url", "timestamp", "visit_count"}, schema{
		"title": str(), "url": str(), "timestamp": moment(), "visit_count": integer(),
		"score": schema{"type": "number", "description": "similarity of a fuzzy match, 0 to 1"},
	})
}

func rowsSchema() schema {
	return object([]string{"browser", "results", "count"}, schema{
		"browser": str(), "results": list(rowSchema()), "count": integer(), "truncated": boolean(),
	})
}

func countSchema() schema {
	return object([]string{"domain", "browser", "count"}, schema{"domain": str(), "browser": str(), "count": integer()})
}

func topDomainsSchema() schema {
	return object([]string{"browser", "top_domains"}, schema{
		"browser":     str(),
		"top_domains": list(object([]string{"domain", "visits"}, schema{"domain": str(), "visits": integer()})),
	})
}

func topPagesSchema() schema {
	return object([]string{"browser", "top_pages"}, schema{
		"browser": str(),
		"top_pages": list(object([]string{"title", "url", "visits"},
			schema{"title": str(), "url": str(), "visits": integer()})),
	})
}

func statsSchema() schema {
	return object([]string{
		"browser", "total_entries", "total_visits", "unique_urls", "unique_domains", "first_visit", "last_visit",
	}, schema{
		"browser": str(), "total_entries": integer(), "total_visits": integer(), "unique_urls": integer(),
		"unique_domains": integer(), "first_visit": moment(), "last_visit": moment(), "truncated": boolean(),
	})
}

func exportSchema() schema {
	return object([]string{"browser", "format", "exported_entries"}, schema{
		"browser": str(), "format": str(), "exported_entries": integer(), "entries": list(rowSchema()),
	})
}

func browsersSchema() schema {
	return object([]string{"browsers", "default", "profiles"}, schema{
		"browsers": list(str()), "default": str(),
		"profiles": list(object([]string{"browser", "profile", "id"}, schema{"browser": str(), "profile": str(), "id": str()})),
	})
}

func bookmarksSchema() schema {
	return object([]string{"browser", "bookmarks", "count"}, schema{
		"browser": str(), "count": integer(),
		"bookmarks": list(object([]string{"title", "url", "folder", "added"}, schema{
			"title": str(), "url": str(), "folder": str(), "added": moment(), "tags": list(str()),
		})),
	})
}

func downloadsSchema() schema {
	return object([]string{"browser", "downloads", "count"}, schema{
		"browser": str(), "count": integer(),
		"downloads": list(object([]string{"filename", "url", "timestamp"}, schema{
			"filename": str(), "url": str(), "timestamp": moment(), "state": str(), "bytes": integer(),
		})),
	})
}
