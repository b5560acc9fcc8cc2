package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// layers is the order of the house, lowest first. A package imports only from
// lower layers and from its own room, never from another room of its layer.
var layers = [...][]string{
	{"."}, // the vocabulary
	{"auditlog", "tracing"},
	{"internal/protocol"},
	{
		"internal/ipfilter", "internal/ratelimit", "internal/edge", "internal/authn", "internal/authz",
		"internal/inspect", "internal/upstream", "internal/secrets", "internal/audit", "internal/detect",
		"internal/incident", "internal/privacy", "internal/session", "internal/replies", "a2astream",
	},
	{"internal/store", "a2aclient"},
	{"internal/config"},
	{"gateway"},
	{"internal/harden", "internal/admin", "internal/chronicle"},
	{"internal/console"},
	{"internal/app"},
	{"internal/cli"},
	{"cmd"},
}

const (
	rootRoom = "."
	obsRoom  = "internal/obs" // imports nothing of ours; all may use it
	ownRoom  = "internal/archtest"
)

// maxChain is the number of rooms that may stand on one another, the
// vocabulary not counted.
const maxChain = 8

// roomOf returns the room of a folder: its first element, with the second
// under internal.
func roomOf(dir string) string {
	parts := strings.Split(dir, "/")
	switch {
	case dir == "":
		return rootRoom
	case parts[0] == "internal" && len(parts) > 1:
		return strings.Join(parts[:2], "/")
	default:
		return parts[0]
	}
}

// layerOf returns the layer of a room, or -1 if it has none.
func layerOf(room string) int {
	return slices.IndexFunc(layers[:], func(rooms []string) bool { return slices.Contains(rooms, room) })
}

// ours returns the folder of an import path of this module.
func ours(importPath string) (dir string, ok bool) {
	if importPath == Module {
		return "", true
	}
	return strings.CutPrefix(importPath, Module+"/")
}

func checkLayers(packages []*pkg) []string {
	var found []string
	for _, p := range packages {
		room := roomOf(p.dir)
		if room == ownRoom {
			continue
		}
		if layerOf(room) < 0 && room != obsRoom {
			found = append(found, fmt.Sprintf("%s: has no place among the layers", p.title()))
			continue
		}
		for _, f := range p.code() {
			for _, path := range f.imports() {
				if why := refuse(room, path); why != "" {
					found = append(found, fmt.Sprintf("%s: imports %s: %s", f.name, path, why))
				}
			}
		}
	}
	return found
}

// refuse says why a room may not import a path, or "".
func refuse(room, importPath string) string {
	dir, isOurs := ours(importPath)
	if !isOurs {
		if first, _, _ := strings.Cut(importPath, "/"); room == rootRoom && strings.Contains(first, ".") {
			return "the vocabulary imports only the standard library"
		}
		return ""
	}
	to := roomOf(dir)
	switch {
	case to == room:
		return ""
	case room == obsRoom:
		return "obs imports nothing of ours"
	case room == rootRoom:
		return "the vocabulary imports only the standard library"
	case to == obsRoom:
		return ""
	case to == ownRoom:
		return "archtest is for tests"
	case layerOf(to) < 0:
		return "it has no place among the layers"
	case layerOf(to) == layerOf(room):
		return "a room of the same layer"
	case layerOf(to) > layerOf(room):
		return "a higher layer"
	}
	return ""
}

// checkChain bounds the longest way down through the rooms.
func checkChain(packages []*pkg) []string {
	below := map[string][]string{}
	for _, p := range packages {
		for _, f := range p.code() {
			for _, path := range f.imports() {
				dir, ok := ours(path)
				from, to := roomOf(p.dir), roomOf(dir)
				// Only downward steps count; others are refused anyway.
				if ok && to != rootRoom && layerOf(to) >= 0 && layerOf(to) < layerOf(from) {
					below[from] = append(below[from], to)
				}
			}
		}
	}
	longest := map[string][]string{}
	var found []string
	for _, rooms := range layers {
		for _, room := range rooms {
			for _, next := range below[room] {
				if len(longest[next])+1 > len(longest[room]) {
					longest[room] = append([]string{next}, longest[next]...)
				}
			}
			if chain := append([]string{room}, longest[room]...); len(chain) > maxChain {
				found = append(found, fmt.Sprintf("%s: %d rooms on one another, at most %d: %s",
					room, len(chain), maxChain, strings.Join(chain, " → ")))
			}
		}
	}
	return found
}
