package ossa

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Item says what became of one field of a manifest.
type Item struct {
	Path     string `json:"path"` // of the field: "spec.autonomy.blocked_actions[0]"
	Line     int    `json:"line"`
	Setting  string `json:"setting,omitempty"` // of the configuration: "tools.deny"
	Reason   string `json:"reason,omitempty"`
	Do       string `json:"do,omitempty"` // what is left to do
	Security bool   `json:"security,omitempty"`
}

// Result is what a manifest became.
type Result struct {
	Agent        string   `json:"agent"`
	Version      string   `json:"version"` // of the manifest's format: "0.4.6"
	Routes       []string `json:"routes"`
	Config       string   `json:"config"`
	Warnings     []string `json:"warnings"`
	Expressed    []Item   `json:"expressed"`
	Stricter     []Item   `json:"stricter"`
	NotExpressed []Item   `json:"not_expressed"`
}

// Missing counts what is relevant to security and was not expressed.
func (r *Result) Missing() int {
	n := 0
	for _, item := range r.NotExpressed {
		if item.Security {
			n++
		}
	}
	return n
}

// maxUnknown bounds how many unknown fields are listed one by one.
const maxUnknown = 100

func (m *maker) expressed(n *yamltree.Node, setting string) {
	m.res.Expressed = append(m.res.Expressed, Item{Path: n.Path, Line: n.Line, Setting: setting})
}

func (m *maker) stricter(n *yamltree.Node, setting, reason string) {
	m.res.Stricter = append(m.res.Stricter, Item{Path: n.Path, Line: n.Line, Setting: setting, Reason: reason})
}

// missing reports what is relevant to security.
func (m *maker) missing(n *yamltree.Node, reason, do string) {
	m.res.NotExpressed = append(m.res.NotExpressed, Item{Path: n.Path, Line: n.Line, Reason: reason, Do: do, Security: true})
}

// minor reports what is not.
func (m *maker) minor(n *yamltree.Node, reason, do string) {
	m.res.NotExpressed = append(m.res.NotExpressed, Item{Path: n.Path, Line: n.Line, Reason: reason, Do: do})
}

// elsewhere reports fields as a whole that are for another part of a deployment.
func (m *maker) elsewhere(n *yamltree.Node, reason, do string) {
	if n != nil {
		n.Ignore()
		m.missing(n, reason, do)
	}
}

// unread reports every field that no rule asked for.
func (m *maker) unread() {
	left := m.doc.Unread()
	for i, n := range left {
		if i == maxUnknown {
			m.missing(m.doc.Get("spec"), "there are more fields that no rule is known for", "read the manifest")
			return
		}
		m.missing(n, "no rule is known for this field", "decide what it should mean here")
	}
}

// sorted puts the lists in the order of the manifest.
func (r *Result) sorted() {
	for _, items := range [][]Item{r.Expressed, r.Stricter, r.NotExpressed} {
		slices.SortStableFunc(items, func(a, b Item) int { return a.Line - b.Line })
	}
}
