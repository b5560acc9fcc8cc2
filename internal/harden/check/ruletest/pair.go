package ruletest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// MostChanged is how many lines may differ between a failing fixture and the
// passing one beside it.
const MostChanged = 12

// Unproven returns why the fixtures in a folder do not show that what the rule
// says under Fix is what makes it pass. A rule with a Mend is shown by doing it.
// For others each failing fixture has a passing one beside it that is the same
// file after the fix: few lines are different, and they, or the name of the file in
// a folder of several, hold a word that Fix names. That of fail-x.yaml is pass-x.yaml, else the nearest.
func Unproven(folder string, m rule.Meta) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return []string{err.Error()}
	}
	passes := map[string]fixture{}
	var fails []string
	for _, e := range entries {
		at := filepath.Join(folder, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "fail"):
			fails = append(fails, e.Name())
		case strings.HasPrefix(e.Name(), "pass"):
			if passes[e.Name()], err = read(at); err != nil {
				return []string{err.Error()}
			}
		}
	}
	named := words(m.Fix)
	var out []string
	for _, name := range fails {
		failing, err := read(filepath.Join(folder, name))
		if err != nil {
			return []string{err.Error()}
		}
		if why := unpaired(failing, counterparts(name, passes), named); why != "" {
			out = append(out, name+": "+why)
		}
	}
	if len(fails) == 0 {
		out = append(out, "no failing fixture")
	}
	return out
}

// counterparts are the passing fixtures that a failing one may belong to.
func counterparts(name string, passes map[string]fixture) map[string]fixture {
	if same, ok := passes["pass"+strings.TrimPrefix(name, "fail")]; ok {
		return map[string]fixture{"": same}
	}
	return passes
}

func unpaired(failing fixture, passes map[string]fixture, named map[string]bool) string {
	nearest := "no passing fixture"
	least := -1
	for _, name := range slices.Sorted(maps.Keys(passes)) {
		changed := failing.changed(passes[name])
		if least >= 0 && len(changed) >= least {
			continue
		}
		least, nearest = len(changed), ""
		if len(changed) == 0 || len(changed) > MostChanged {
			nearest = fmt.Sprintf("%d lines differ from the passing fixture, want 1 to %d: it is not the same file mended", len(changed), MostChanged)
			continue
		}
		touched := words(strings.Join(append(changed, failing.files(passes[name])...), "\n"))
		if !meet(touched, named) {
			nearest = fmt.Sprintf("Fix names nothing of what differs: %q", changed)
		}
	}
	return nearest
}

// meet reports whether a word of one text begins as one of the other.
func meet(a, b map[string]bool) bool {
	for v := range a {
		for w := range b {
			if strings.HasPrefix(v, w) || strings.HasPrefix(w, v) {
				return true
			}
		}
	}
	return false
}

// fixture is the lines of the files of a fixture, without what they are
// indented by: what is moved into something else is the same line.
type fixture map[string][]string

func read(at string) (fixture, error) {
	out := fixture{}
	err := filepath.WalkDir(at, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		inner, err := filepath.Rel(at, name)
		if name == at {
			inner = ""
		}
		var lines []string
		for line := range strings.Lines(string(data)) {
			lines = append(lines, strings.TrimSpace(line))
		}
		info, infoErr := d.Info()
		if err == nil && infoErr == nil && (info.Mode()&0o007 == 0 || info.Mode()&0o002 != 0) { // see Prepare
			lines = append(lines, fmt.Sprintf("mode %o", info.Mode().Perm()))
		}
		if _, mode, ok := strings.Cut(name, ".mode"); ok {
			inner, lines = strings.TrimSuffix(inner, ".mode"+mode), append(lines, "mode "+mode)
		}
		out[inner] = lines
		return errors.Join(err, infoErr)
	})
	return out, err
}

// changed returns the lines that only one of two fixtures has. A file that only
// one of them has counts with its name.
func (f fixture) changed(other fixture) []string {
	var out []string
	files := maps.Clone(f)
	maps.Copy(files, other)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		a, inA := f[name]
		b, inB := other[name]
		lines := onlyOne(a, b)
		if inA != inB {
			lines = append(lines, name)
		}
		out = append(out, lines...)
	}
	return out
}

// files returns the names of the files that differ: "make the lock file again"
// names one of them.
func (f fixture) files(other fixture) []string {
	var out []string
	for name, lines := range f {
		if !slices.Equal(lines, other[name]) {
			out = append(out, name)
		}
	}
	return out
}

// onlyOne returns the lines that are not in the longest common sequence of two
// texts.
func onlyOne(a, b []string) []string {
	long := make([][]int, len(a)+1)
	for i := range long {
		long[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				long[i][j] = long[i+1][j+1] + 1
			} else {
				long[i][j] = max(long[i+1][j], long[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && long[i+1][j] >= long[i][j+1]:
			out, i = append(out, a[i]), i+1
		default:
			out, j = append(out, b[j]), j+1
		}
	}
	return out
}

var wordForm = regexp.MustCompile(`[a-z]+|[A-Z]+[a-z]*|[0-9]{2,}|[*@=]|\$\{|:ro\b`)

// fillers say nothing about what is changed.
var fillers = []string{"and", "for", "from", "has", "not", "one", "only", "own", "that", "the", "what", "with", "without", "your", "into", "its", "are", "can", "who"}

// stem is how many letters of a word count: "sign" is named by "signatures".
const stem = 4

// words returns what a text is about: how the parts of names begin, in small
// letters, and numbers.
func words(text string) map[string]bool {
	out := map[string]bool{}
	var told strings.Builder
	for _, r := range text {
		if unicode.Is(unicode.Cf, r) {
			fmt.Fprintf(&told, " %X ", r) // what nobody sees is named by its number
		} else {
			told.WriteRune(r)
		}
	}
	text = told.String()
	for _, w := range wordForm.FindAllString(text, -1) {
		w = strings.ToLower(w)
		if (len(w) > 2 || w[0] < 'a') && !slices.Contains(fillers, w) {
			out[w[:min(len(w), stem)]] = true
		}
	}
	return out
}
