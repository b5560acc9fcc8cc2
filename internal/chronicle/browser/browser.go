// Package browser finds the history files of the browsers on this machine:
// every profile of Chrome, Edge, Brave, Vivaldi, Opera, Chromium, Firefox and
// Safari, on Linux (packages, snap and flatpak), macOS and Windows.
//
// It only looks at names; it opens nothing but Firefox's profiles.ini.
package browser

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Family says which files and tables a browser has.
type Family uint8

// The families.
const (
	Chromium Family = iota
	Firefox
	Safari
)

// names lists the browsers in order of preference: the first one present is
// the default.
var names = [...]struct {
	name   string
	family Family
}{
	{"chrome", Chromium}, {"edge", Chromium}, {"brave", Chromium}, {"vivaldi", Chromium},
	{"opera", Chromium}, {"chromium", Chromium}, {"firefox", Firefox}, {"safari", Safari},
}

// Names returns the supported browsers in order of preference.
func Names() []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.name
	}
	return out
}

// FamilyOf returns the family of a supported browser.
func FamilyOf(name string) (Family, bool) {
	for _, n := range names {
		if n.name == name {
			return n.family, true
		}
	}
	return 0, false
}

// Profile is one set of files of one browser.
type Profile struct {
	Browser   string // "chrome"
	Name      string // "Default", "Profile 1", "snap/Default", "x1y2.default-release"
	Family    Family
	History   string // history database
	Bookmarks string // bookmarks file; for Firefox the same database
}

// ID names the profile in the browser argument: "chrome:Profile 1".
func (p Profile) ID() string { return p.Browser + ":" + p.Name }

// Env is where to look. The zero Env finds nothing.
type Env struct {
	OS     string // runtime.GOOS
	Home   string
	Getenv func(string) string
}

// Local returns the environment of this process.
func Local() Env {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // nothing is found without a home
	}
	return Env{OS: runtime.GOOS, Home: home, Getenv: os.Getenv}
}

// Discover returns the profiles that have a history file, browsers in order of
// preference and each browser's main profile first.
func Discover(env Env) []Profile {
	if env.Home == "" {
		return nil
	}
	var out []Profile
	for _, n := range names {
		for _, r := range roots(env, n.name) {
			switch n.family {
			case Chromium:
				out = append(out, chromium(n.name, r)...)
			case Firefox:
				out = append(out, firefox(r)...)
			case Safari:
				out = append(out, safari(r)...)
			}
		}
	}
	return out
}

// At returns the profile of an explicit path: a history database, or a profile
// folder that holds one.
func At(name, path string) (Profile, bool) {
	family, ok := FamilyOf(name)
	if !ok {
		return Profile{}, false
	}
	p := Profile{Browser: name, Name: "custom", Family: family, History: path}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		p.History = filepath.Join(path, historyFile(family))
	}
	p.Bookmarks = bookmarksFile(family, p.History)
	return p, true
}

func historyFile(f Family) string {
	switch f {
	case Firefox:
		return "places.sqlite"
	case Safari:
		return "History.db"
	case Chromium:
	}
	return "History"
}

func bookmarksFile(f Family, history string) string {
	switch f {
	case Firefox:
		return history
	case Safari:
		return filepath.Join(filepath.Dir(history), "Bookmarks.plist")
	case Chromium:
	}
	return filepath.Join(filepath.Dir(history), "Bookmarks")
}

func profile(browser string, f Family, name, dir string) Profile {
	h := filepath.Join(dir, historyFile(f))
	return Profile{Browser: browser, Name: name, Family: f, History: h, Bookmarks: bookmarksFile(f, h)}
}

// chromium lists a user data folder: Default, then Profile N by number, then
// others. Opera keeps its files in the folder itself.
func chromium(name string, r root) []Profile {
	var dirs []string
	if entries, err := os.ReadDir(r.path); err == nil {
		for _, e := range entries {
			if e.Name() == "System Profile" || e.Name() == "Guest Profile" {
				continue
			}
			if exists(filepath.Join(r.path, e.Name(), "History")) {
				dirs = append(dirs, e.Name())
			}
		}
	}
	slices.SortFunc(dirs, func(a, b string) int {
		if d := profileRank(a) - profileRank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var out []Profile
	if exists(filepath.Join(r.path, "History")) {
		out = append(out, profile(name, Chromium, r.label("main"), r.path))
	}
	for _, d := range dirs {
		out = append(out, profile(name, Chromium, r.label(d), filepath.Join(r.path, d)))
	}
	return out
}

func profileRank(dir string) int {
	if dir == "Default" {
		return 0
	}
	if n, ok := strings.CutPrefix(dir, "Profile "); ok {
		if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < 1<<20 {
			return 1 + i
		}
	}
	return 1 << 21
}

// firefox lists the profiles of profiles.ini, the installation's own default
// first, and profile folders that the file does not name.
func firefox(r root) []Profile {
	var dirs []string
	if text, err := os.ReadFile(filepath.Join(r.path, "profiles.ini")); err == nil {
		for _, d := range profilesINI(string(text)) {
			p := filepath.FromSlash(d)
			if !filepath.IsAbs(p) {
				p = filepath.Join(r.path, p)
			}
			dirs = append(dirs, p)
		}
	}
	for _, pattern := range []string{"*.default-release*", "*.default*", "*"} {
		for _, base := range []string{r.path, filepath.Join(r.path, "Profiles")} {
			found, err := filepath.Glob(filepath.Join(escapeGlob(base), pattern))
			if err == nil {
				dirs = append(dirs, found...)
			}
		}
	}
	var out []Profile
	seen := map[string]bool{}
	for _, d := range dirs {
		if d = filepath.Clean(d); !seen[d] && exists(filepath.Join(d, "places.sqlite")) {
			out = append(out, profile("firefox", Firefox, r.label(filepath.Base(d)), d))
		}
		seen[d] = true
	}
	return out
}

func escapeGlob(p string) string {
	if filepath.Separator == '\\' {
		return p // "\" is no escape in patterns on Windows
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// profilesINI returns the profile paths of a profiles.ini: those that an
// [Install…] section names, then *.default-release, then Default=1, then the
// rest.
func profilesINI(text string) []string {
	type section struct {
		path, def string
		install   bool
	}
	var sections []section
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "[") {
			sections = append(sections, section{install: strings.HasPrefix(l, "[Install")})
			continue
		}
		key, val, ok := strings.Cut(l, "=")
		if !ok || len(sections) == 0 {
			continue
		}
		s := &sections[len(sections)-1]
		switch strings.TrimSpace(key) {
		case "Path":
			s.path = strings.TrimSpace(val)
		case "Default":
			s.def = strings.TrimSpace(val)
		}
	}
	var ranked [4][]string
	for _, s := range sections {
		switch {
		case s.install && s.def != "":
			ranked[0] = append(ranked[0], s.def)
		case s.path == "":
		case strings.HasSuffix(s.path, ".default-release"):
			ranked[1] = append(ranked[1], s.path)
		case s.def == "1":
			ranked[2] = append(ranked[2], s.path)
		default:
			ranked[3] = append(ranked[3], s.path)
		}
	}
	return slices.Concat(ranked[:]...)
}

// safari lists the main history and those of Safari 17's profiles.
func safari(r root) []Profile {
	var out []Profile
	if exists(filepath.Join(r.path, "History.db")) {
		out = append(out, profile("safari", Safari, r.label("Default"), r.path))
	}
	entries, err := os.ReadDir(filepath.Join(r.path, "Profiles"))
	if err != nil {
		return out
	}
	for _, e := range entries {
		if d := filepath.Join(r.path, "Profiles", e.Name()); exists(filepath.Join(d, "History.db")) {
			out = append(out, profile("safari", Safari, r.label(e.Name()), d))
		}
	}
	return out
}

// exists reports whether a file is there. One behind a folder that may not be
// read counts on macOS, where privacy settings hide Safari's files: opening it
// tells the user which permission is missing.
func exists(path string) bool {
	fi, err := os.Stat(path)
	if err != nil {
		return errors.Is(err, fs.ErrPermission) && runtime.GOOS == "darwin"
	}
	return fi.Mode().IsRegular()
}
