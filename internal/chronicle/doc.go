// Package chronicle is the bundled MCP server over the user's real browser
// history: read-only tools, the same queries as REST and as Go functions.
//
//	s, err := chronicle.New(chronicle.Default())
//	defer s.Close()
//	res, err := s.SearchHistory(ctx, chronicle.Args{Query: "go generics", Limit: 5})
//	fmt.Println(res.Text)
//
// One query, whichever way it comes in:
//
//	MCP tools/call ─┐
//	REST POST ──────┼─▶ strict arguments ─▶ profile ─▶ cached rows ─▶ match ─▶ Result
//	Go function ────┘                        (package browser) (package history)
//
// Rows were sanitized before they reached the cache (package sanitize), so a
// search can neither show nor probe a hidden value. Nothing is ever written:
// there is no delete_history and no sync_history, because the history belongs
// to the browser (requirements R1-1 to R1-5, S1-7 to S1-9).
//
// Titles and URLs are what web pages said. They are data for the model, never
// instructions; each reply says so in its _meta.
package chronicle
