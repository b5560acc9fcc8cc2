// Package image reads references to container images and knows which base
// images nobody mends any more.
package image

import (
	"strings"
	"time"
)

// Ref is a reference to an image.
type Ref struct {
	Repository string // "docker.io/library/node"
	Name       string // its last part: "node"
	Tag        string
	Digest     string // "sha256:…"
}

// Parse takes a reference apart. What it names is not checked.
func Parse(s string) Ref {
	var r Ref
	s, r.Digest, _ = strings.Cut(strings.TrimSpace(s), "@")
	slash := strings.LastIndexByte(s, '/')
	if colon := strings.LastIndexByte(s, ':'); colon > slash {
		s, r.Tag = s[:colon], s[colon+1:]
	}
	r.Repository, r.Name = s, s[slash+1:]
	return r
}

// Pinned reports whether the reference names one image for ever.
func (r Ref) Pinned() bool {
	hex, ok := strings.CutPrefix(r.Digest, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// Floating reports whether the tag means another image every week: none, or a
// name of a channel.
func (r Ref) Floating() bool {
	if r.Pinned() {
		return false
	}
	switch r.Tag {
	case "", "latest", "edge", "nightly", "main", "master", "dev", "stable", "current", "lts":
		return true
	}
	return false
}

// Variable reports whether the reference is filled in elsewhere.
func Variable(s string) bool { return strings.Contains(s, "$") }

// ended are official images by name and beginning of the tag, and when their
// makers stop mending them: the dates of endoflife.date, for Debian the end of
// its long term support.
var ended = [...]struct{ name, tag, date string }{
	{"node", "10", "2021-04-30"}, {"node", "12", "2022-04-30"}, {"node", "14", "2023-04-30"}, {"node", "16", "2023-09-11"},
	{"node", "15", "2021-06-01"}, {"node", "17", "2022-06-01"}, {"node", "18", "2025-04-30"}, {"node", "19", "2023-06-01"}, {"node", "20", "2026-04-30"},
	{"node", "21", "2024-06-01"}, {"node", "22", "2027-04-30"}, {"node", "23", "2025-06-01"}, {"node", "24", "2028-04-30"}, {"node", "25", "2026-06-01"},
	{"python", "2", "2020-01-01"}, {"python", "3.6", "2021-12-23"}, {"python", "3.7", "2023-06-27"}, {"python", "3.8", "2024-10-07"},
	{"python", "3.9", "2025-10-31"}, {"python", "3.10", "2026-10-31"}, {"python", "3.11", "2027-10-31"}, {"python", "3.12", "2028-10-31"},
	{"debian", "8", "2020-06-30"}, {"debian", "jessie", "2020-06-30"}, {"debian", "9", "2022-06-30"}, {"debian", "stretch", "2022-06-30"},
	{"debian", "10", "2024-06-30"}, {"debian", "buster", "2024-06-30"}, {"debian", "11", "2026-08-31"}, {"debian", "bullseye", "2026-08-31"},
	{"ubuntu", "14.04", "2019-04-02"}, {"ubuntu", "16.04", "2021-04-02"}, {"ubuntu", "xenial", "2021-04-02"}, {"ubuntu", "18.04", "2023-05-31"}, {"ubuntu", "bionic", "2023-05-31"},
	{"ubuntu", "20.04", "2025-05-31"}, {"ubuntu", "focal", "2025-05-31"}, {"ubuntu", "23", "2024-07-11"}, {"ubuntu", "24.10", "2025-07-10"}, {"ubuntu", "25.04", "2026-01-17"}, {"ubuntu", "25.10", "2026-07-01"},
	{"alpine", "3.10", "2021-05-01"}, {"alpine", "3.11", "2021-11-01"}, {"alpine", "3.12", "2022-05-01"}, {"alpine", "3.13", "2022-11-01"}, {"alpine", "3.14", "2023-05-01"},
	{"alpine", "3.15", "2023-11-01"}, {"alpine", "3.16", "2024-05-23"}, {"alpine", "3.17", "2024-11-22"}, {"alpine", "3.18", "2025-05-09"},
	{"alpine", "3.19", "2025-11-01"}, {"alpine", "3.20", "2026-04-01"}, {"alpine", "3.21", "2026-11-01"}, {"alpine", "3.22", "2027-05-01"},
	{"centos", "6", "2020-11-30"}, {"centos", "7", "2024-06-30"}, {"centos", "8", "2021-12-31"}, {"fedora", "40", "2025-05-13"}, {"fedora", "41", "2025-12-15"}, {"fedora", "42", "2026-05-27"}, {"fedora", "43", "2026-12-09"},
	{"golang", "1.18", "2023-02-01"}, {"golang", "1.19", "2023-09-06"}, {"golang", "1.20", "2024-02-06"}, {"golang", "1.25", "2026-08-19"},
	{"golang", "1.21", "2024-08-13"}, {"golang", "1.22", "2025-02-11"}, {"golang", "1.23", "2025-08-12"}, {"golang", "1.24", "2026-02-10"},
	{"ruby", "2", "2023-03-31"}, {"ruby", "3.0", "2024-04-23"}, {"ruby", "3.1", "2025-03-26"}, {"ruby", "3.2", "2026-03-31"},
	{"php", "7", "2022-11-28"}, {"php", "8.0", "2023-11-26"}, {"php", "8.1", "2025-12-31"}, {"php", "8.2", "2026-12-31"},
	{"postgres", "9", "2021-11-11"}, {"postgres", "10", "2022-11-10"}, {"postgres", "11", "2023-11-09"}, {"postgres", "12", "2024-11-21"}, {"postgres", "13", "2025-11-13"}, {"postgres", "14", "2026-11-12"},
	{"redis", "5", "2022-04-27"}, {"redis", "6.0", "2022-05-31"}, {"redis", "7.0", "2024-07-29"},
	{"openjdk", "", "2022-07-31"}, {"mysql", "5", "2023-10-31"}, {"mysql", "8.0", "2026-04-30"}, {"mysql", "8.1", "2023-10-25"}, {"mysql", "8.2", "2023-12-14"}, {"mysql", "8.3", "2024-04-10"},
	{"nginx", "1.24", "2024-04-23"}, {"nginx", "1.25", "2024-05-29"}, {"nginx", "1.26", "2025-04-23"}, {"nginx", "1.27", "2025-06-24"}, {"nginx", "1.28", "2026-04-14"}, {"nginx", "1.29", "2026-05-13"},
}

// Ended returns since when an official image is not mended any more, or "".
func (r Ref) Ended(now time.Time) string {
	official := r.Repository == r.Name
	for _, prefix := range [...]string{"docker.io/", "docker.io/library/", "library/", "public.ecr.aws/docker/library/", "index.docker.io/library/"} {
		official = official || r.Repository == prefix+r.Name
	}
	if !official {
		return ""
	}
	found := ""
	for _, e := range ended {
		if e.name == r.Name && begins(r.Tag, e.tag) && (found == "" || len(e.tag) > 0) {
			found = e.date
		}
	}
	if found == "" || found > now.UTC().Format(time.DateOnly) {
		return ""
	}
	return found
}

// begins reports whether a tag is a version, or a more exact one: 3.1 begins
// 3.1.4-slim and not 3.11.
func begins(tag, version string) bool {
	rest, ok := strings.CutPrefix(tag, version)
	return ok && (version == "" || rest == "" || rest[0] == '.' || rest[0] == '-')
}
