package mcp

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// The revisions of the protocol, named by their dates.
const (
	Version20241105 = "2024-11-05"
	Version20250326 = "2025-03-26"
	Version20250618 = "2025-06-18"
	Version20251125 = "2025-11-25"
	Version20260728 = "2026-07-28"
)

// Versions returns the revisions that this package knows, newest first.
func Versions() []string {
	return []string{Version20260728, Version20251125, Version20250618, Version20250326, Version20241105}
}

// Modern reports whether version is a known revision that carries its version
// and capabilities in every request, instead of in an initialize handshake.
func Modern(version string) bool { return version == Version20260728 }

// revisions is a set of revisions.
type revisions uint8

const (
	r2411 revisions = 1 << iota
	r2503
	r2506
	r2511
	r2607

	legacy = r2411 | r2503 | r2506 | r2511
	all    = legacy | r2607
)

// revision returns the set of the one revision, and its interned name. The set
// is empty if the revision is unknown.
func revision(version string) (revisions, string) {
	switch version {
	case Version20241105:
		return r2411, Version20241105
	case Version20250326:
		return r2503, Version20250326
	case Version20250618:
		return r2506, Version20250618
	case Version20251125:
		return r2511, Version20251125
	case Version20260728:
		return r2607, Version20260728
	}
	return 0, ""
}

// method is what the protocol says of a method.
type method struct {
	name   string
	in     revisions
	source source // where params name what the method acts on
	target portcullis.TargetKind
	header bool // Mcp-Name is required in modern requests
}

// source is the member of params that names what a method acts on.
type source uint8

const (
	fromNothing source = iota
	fromName
	fromURI
	fromRef
	fromTask
)

// The methods of all revisions, as the schemas of the specification list them;
// tasks/update and notifications/tasks are of the tasks extension (SEP-2663)
// of the modern revision, which took tasks/list and tasks/result away.
var methods = byName([]method{
	{name: "initialize", in: legacy},
	{name: "ping", in: legacy},
	{name: "logging/setLevel", in: legacy},
	{name: "completion/complete", in: all, source: fromRef},
	{name: "prompts/list", in: all},
	{name: "prompts/get", in: all, source: fromName, target: portcullis.TargetPrompt, header: true},
	{name: "resources/list", in: all},
	{name: "resources/templates/list", in: all},
	{name: "resources/read", in: all, source: fromURI, target: portcullis.TargetResource, header: true},
	{name: "resources/subscribe", in: legacy, source: fromURI, target: portcullis.TargetResource},
	{name: "resources/unsubscribe", in: legacy, source: fromURI, target: portcullis.TargetResource},
	{name: "tools/list", in: all},
	{name: "tools/call", in: all, source: fromName, target: portcullis.TargetTool, header: true},
	{name: "tasks/get", in: r2511 | r2607, source: fromTask},
	{name: "tasks/result", in: r2511, source: fromTask},
	{name: "tasks/cancel", in: r2511 | r2607, source: fromTask},
	{name: "tasks/update", in: r2607, source: fromTask},
	{name: "tasks/list", in: r2511},
	{name: "server/discover", in: r2607},
	{name: "subscriptions/listen", in: r2607},
	{name: "sampling/createMessage", in: all},
	{name: "roots/list", in: all},
	{name: "elicitation/create", in: r2506 | r2511 | r2607},
	{name: "notifications/initialized", in: legacy},
	{name: "notifications/cancelled", in: all},
	{name: "notifications/progress", in: all},
	{name: "notifications/message", in: all},
	{name: "notifications/roots/list_changed", in: legacy},
	{name: "notifications/prompts/list_changed", in: all},
	{name: "notifications/resources/list_changed", in: all},
	{name: "notifications/tools/list_changed", in: all},
	{name: "notifications/resources/updated", in: all, source: fromURI, target: portcullis.TargetResource},
	{name: "notifications/elicitation/complete", in: r2511},
	{name: "notifications/tasks/status", in: r2511},
	{name: "notifications/tasks", in: r2607},
	{name: "notifications/subscriptions/acknowledged", in: r2607},
})

func byName(list []method) map[string]*method {
	m := make(map[string]*method, len(list))
	for i := range list {
		m[list[i].name] = &list[i]
	}
	return m
}

// Known reports whether a revision defines a method, in either direction. An
// unknown revision defines none.
func Known(version, name string) bool {
	r, _ := revision(version)
	m := methods[name]
	return m != nil && m.in&r != 0
}

// Methods returns the methods that a revision defines, sorted.
func Methods(version string) []string {
	r, _ := revision(version)
	var names []string
	for name, m := range methods {
		if m.in&r != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// notification reports whether the name of a method marks a notification.
func notification(name string) bool { return strings.HasPrefix(name, "notifications/") }
