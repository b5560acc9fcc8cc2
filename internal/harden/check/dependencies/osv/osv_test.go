package osv

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// fixed is a source of entries that are there.
type fixed struct {
	entries []*Entry
	err     error
}

func (f fixed) Entries(_ context.Context, of []Query) (map[lockfile.Ecosystem][]*Entry, error) {
	out := map[lockfile.Ecosystem][]*Entry{}
	for _, q := range of {
		out[q.Ecosystem] = f.entries
	}
	return out, f.err
}

func entry(t testing.TB, text string) *Entry {
	t.Helper()
	e, err := decode([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return e
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		eco               lockfile.Ecosystem
		affected, version string
		want              string // fixed version, "-" for affected without a fix, "" for not affected, "?" for unknown
	}{
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]`, "1.2.2", "1.2.3"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]`, "1.2.3", ""},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]`, "1.2.3-rc.1", "1.2.3"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"fixed":"2.5.0"},{"introduced":"2.0.0"},{"fixed":"1.5.0"},{"introduced":"1.0.0"}]}]`, "1.7.0", ""},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"fixed":"2.5.0"},{"introduced":"2.0.0"},{"fixed":"1.5.0"},{"introduced":"1.0.0"}]}]`, "2.1.0", "2.5.0"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"last_affected":"1.5.0"}]}]`, "1.5.0", "-"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"last_affected":"1.5.0"}]}]`, "1.5.1", ""},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"limit":"1.5.0"}]}]`, "1.5.0", ""},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"limit":"*"}]}]`, "9.0.0", "-"},
		{lockfile.NPM, `"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}],"versions":["1.0.0"]`, "1.0.0", "-"},
		{lockfile.NPM, `"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}],"versions":["1.0.0"]`, "1.0.1", ""},
		{lockfile.NPM, `"versions":["1.0.0"]`, "1.0.0+build", "-"},
		{lockfile.NPM, `"x":1`, "1.0.0", "-"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"nonsense"}]}]`, "1.0.0", "?"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"}]}]`, "nonsense", "?"},
		{lockfile.NPM, `"ranges":[{"type":"SEMVER","events":[]}]`, "1.0.0", ""},
		{lockfile.Go, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.5.0"}]}]`, "0.0.0-20200101000000-abcdefabcdef", "1.5.0"},
		{lockfile.Go, `"ranges":[{"type":"SEMVER","events":[{"introduced":"1.26.0-0"},{"fixed":"1.26.7"}]}]`, "1.26.0", "1.26.7"},
		{lockfile.PyPI, `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0"}]}]`, "2.0rc1", "2.0"},
		{lockfile.PyPI, `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0"}]}]`, "2.0.post1", ""},
		{lockfile.PyPI, `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0"}]}]`, "1!1.0", ""},
		{lockfile.PyPI, `"versions":["1.0"]`, "1.0.0", "-"},
		{lockfile.PyPI, `"versions":["1.0a1"]`, "1.0.alpha1", "-"},
		{lockfile.Cargo, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0.0.0-0"},{"fixed":"0.8.36"},{"introduced":"0.9.0"},{"fixed":"0.9.4"}]}]`, "0.9.1", "0.9.4"},
		{"RubyGems", `"versions":["1.0"]`, "1.0", "?"},
	} {
		e := entry(t, fmt.Sprintf(`{"id":"X-1","affected":[{"package":{"ecosystem":%q,"name":"a"},%s}]}`, c.eco, c.affected))
		found, err := Find(t.Context(), fixed{[]*Entry{e}, nil}, []Query{{c.eco, "a", c.version}})
		got := ""
		switch {
		case len(found) == 1 && found[0].Fixed == "":
			got = "-"
		case len(found) == 1:
			got = found[0].Fixed
		case err != nil:
			got = "?"
		}
		if got != c.want {
			t.Errorf("%s %s %s: %q (%v), want %q", c.eco, c.affected, c.version, got, err, c.want)
		}
	}
}

func TestOnlyWhatIsMeant(t *testing.T) {
	for name, text := range map[string]string{
		"withdrawn":         `{"id":"X-1","withdrawn":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"a"}}]}`,
		"another package":   `{"id":"X-1","affected":[{"package":{"ecosystem":"npm","name":"A"}}]}`,
		"another ecosystem": `{"id":"X-1","affected":[{"package":{"ecosystem":"PyPI","name":"a"}}]}`,
		"nothing":           `{"id":"X-1"}`,
	} {
		found, err := Find(t.Context(), fixed{[]*Entry{entry(t, text)}, nil}, []Query{{lockfile.NPM, "a", "1.0.0"}})
		if err != nil || len(found) != 0 {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// Entries that are aliases of each other are one vulnerability: as bad as the
// worst of them, with a fix that is free of all.
func TestAliases(t *testing.T) {
	affected := func(fixed string) string {
		return `"affected":[{"package":{"ecosystem":"PyPI","name":"A_b"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"` + fixed + `"}]}]}]`
	}
	entries := []*Entry{
		entry(t, `{"id":"PYSEC-1","published":"2026-02-01T00:00:00Z","aliases":["CVE-1"],`+affected("1.10")+`}`),
		entry(t, `{"id":"GHSA-1","published":"2026-01-01T00:00:00Z","summary":"S","aliases":["CVE-1"],"database_specific":{"severity":"MODERATE"},`+affected("1.9")+`}`),
		entry(t, `{"id":"GHSA-2","published":"2026-01-01T00:00:00Z","database_specific":{"severity":"LOW"},`+affected("1.9")+`}`),
	}
	found, err := Find(t.Context(), fixed{entries, nil}, []Query{{lockfile.PyPI, "a-b", "1.0"}, {lockfile.PyPI, "a-b", "1.0"}})
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	v := found[0]
	if v.ID != "GHSA-1" || fmt.Sprint(v.Aliases) != "[CVE-1 PYSEC-1]" || v.Fixed != "1.10" || v.Rating != Medium || v.Summary != "S" || v.Published.Month() != time.January {
		t.Errorf("%+v", v)
	}
	if found[1].ID != "GHSA-2" || found[1].Rating != Low {
		t.Errorf("%+v", found[1])
	}
	entries = append(entries, entry(t, `{"id":"MAL-1","aliases":["GHSA-2"],"affected":[{"package":{"ecosystem":"PyPI","name":"a.b"}}]}`))
	if found, err = Find(t.Context(), fixed{entries, nil}, []Query{{lockfile.PyPI, "a-b", "1.0"}}); err != nil || len(found) != 2 || found[1].ID != "MAL-1" || !found[1].Malicious {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestRatings(t *testing.T) {
	v3 := func(s string) []Vector { return []Vector{{"CVSS_V3", s}} }
	for _, c := range []struct {
		vectors []Vector
		said    any
		want    string
	}{
		{v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), nil, "critical 9.8"},
		{v3("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"), nil, "high 7.5"},
		{v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"), nil, "medium 6.1"},
		{v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"), nil, "low 0.0"},
		{[]Vector{{"CVSS_V2", "AV:N/AC:L/Au:N/C:P/I:P/A:P"}}, nil, "high 7.5"},
		{[]Vector{{"CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}, {"CVSS_V3", "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}}, nil, "critical 9.3"},
		{v3("nonsense"), "HIGH", "high 0.0"},
		{nil, "moderate", "medium 0.0"},
		{nil, "LOW", "low 0.0"},
		{nil, 7.0, "unknown 0.0"},
		{nil, nil, "unknown 0.0"},
		{v3("nonsense"), "nonsense", "unknown 0.0"},
	} {
		r := rate(c.vectors, Specific{c.said})
		if got := fmt.Sprintf("%s %.1f", r.rating, r.score); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.vectors, c.said, got, c.want)
		}
	}
}

func write(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func zipped(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const sample = `{"id":"X-1","affected":[{"package":{"ecosystem":"npm", "name" : "a"}}]}`

func ask1(t testing.TB, dir string) ([]Vulnerability, error) {
	t.Helper()
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Find(context.Background(), f, []Query{{lockfile.NPM, "a", "1.0.0"}})
}

func TestFolder(t *testing.T) {
	escaped := strings.ReplaceAll(sample, `"a"`, `"\u0061"`)
	for name, files := range map[string]map[string]string{
		"files":   {"npm/X-1.json": sample, "npm/readme.txt": "x", "npm/Y.json": `{"id":"Y","affected":[{"package":{"ecosystem":"npm","name":"other"}}]}`},
		"archive": {"npm/all.zip": zipped(t, map[string]string{"X-1.json": sample, "Y.json": `{"id":"Y"}`})},
		"escapes": {"npm/X-1.json": escaped},
	} {
		found, err := ask1(t, write(t, t.TempDir(), files))
		if err != nil || len(found) != 1 || found[0].ID != "X-1" {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// What cannot be read to the end is not a database without vulnerabilities.
func TestBrokenFolders(t *testing.T) {
	big := `{"id":"X","x":"` + strings.Repeat("0", maxEntry) + `"}`
	for want, files := range map[string]map[string]string{
		"no folder for it": {"PyPI/X.json": sample},
		"the database has": {"npm/readme.txt": ""},
		"not a valid zip":  {"npm/all.zip": "nonsense"},
		"it has no id":     {"npm/X.json": strings.Replace(sample, `"id":"X-1",`, "", 1)},
		"no entry of OSV":  {"npm/X.json": sample[:len(sample)-2]},
		"is larger than":   {"npm/X.json": big},
		"all.zip: \"X.j":   {"npm/all.zip": zipped(t, map[string]string{"X.json": big})},
	} {
		found, err := ask1(t, write(t, t.TempDir(), files))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %+v, %v", want, found, err)
		}
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"db/npm/x.txt": "", "outside.json": sample})
	if err := os.Symlink(filepath.Join(dir, "outside.json"), filepath.Join(dir, "db/npm/X.json")); err != nil {
		t.Fatal(err)
	}
	if found, err := ask1(t, filepath.Join(dir, "db")); err == nil {
		t.Errorf("a link out of the folder is followed: %+v", found)
	}
	if _, err := OpenFolder(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there is opened")
	}
}

// An archive that unpacks to more than is read is refused, and not for what it
// says of its size.
func TestUnpackingIsBounded(t *testing.T) {
	w := &want{eco: lockfile.NPM, names: map[string]bool{"a": true}, room: 100}
	if err := w.take("X.json", strings.NewReader(strings.Repeat(" ", 60))); err != nil {
		t.Fatal(err)
	}
	if err := w.take("Y.json", strings.NewReader(strings.Repeat(" ", 60))); err == nil {
		t.Error("more is unpacked than there is room for")
	}
}

func TestOf(t *testing.T) {
	if q, ok := Of(lockfile.Package{Ecosystem: lockfile.Go, Name: "a", Version: "v1.0.0+incompatible"}); !ok || q.Version != "1.0.0" {
		t.Errorf("%+v", q)
	}
	for _, p := range []lockfile.Package{{Ecosystem: lockfile.NPM, Name: "a", Version: "1", Source: lockfile.Local}, {Ecosystem: lockfile.NPM, Name: "a"}} {
		if q, ok := Of(p); ok {
			t.Errorf("%+v", q)
		}
	}
}

// Whatever a database says: no panic, and a fix is never below what it fixes.
func FuzzFind(f *testing.F) {
	f.Add([]byte(sample), "1.0.0", uint8(1))
	f.Add([]byte(`{"id":"X","severity":[{"type":"CVSS_V4","score":"CVSS:4.0/AV:N"}],"affected":[{"package":{"ecosystem":"PyPI","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0rc1"}]}],"versions":["1.0"]}]}`), "1!1.0.dev1", uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, version string, kind uint8) {
		e, err := decode(data)
		if err != nil {
			return
		}
		eco := []lockfile.Ecosystem{lockfile.Go, lockfile.NPM, lockfile.PyPI, lockfile.Cargo}[kind%4]
		found, _ := Find(context.Background(), fixed{[]*Entry{e}, nil}, []Query{{eco, "a", version}})
		for _, v := range found {
			o, err := orderOf(eco)
			if err != nil {
				t.Fatal(err)
			}
			if v.Fixed != "" && o.less(v.Fixed, version) {
				t.Fatalf("%+v", v)
			}
		}
	})
}

// A database as large as that of npm is mostly looked through.
func BenchmarkFolder(b *testing.B) {
	files := map[string]string{"X-1.json": sample}
	for i := range 2000 {
		more, err := json.Marshal(map[string]any{"id": fmt.Sprintf("MAL-%d", i), "details": strings.Repeat("text ", 300), "affected": []any{map[string]any{"package": map[string]any{"ecosystem": "npm", "name": fmt.Sprintf("evil-%d", i)}}}})
		if err != nil {
			b.Fatal(err)
		}
		files[fmt.Sprintf("MAL-%d.json", i)] = string(more)
	}
	dir := write(b, b.TempDir(), map[string]string{"npm/all.zip": zipped(b, files)})
	b.ReportAllocs()
	for b.Loop() {
		if found, err := ask1(b, dir); err != nil || len(found) != 1 {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(len(files))*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
