package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func told(n Need) string {
	out := n.Key()
	if n.Alias != "" {
		out += "=" + n.Name
	}
	out += " " + n.Want
	for _, mark := range []struct {
		name string
		yes  bool
	}{{"dev", n.Dev}, {"local", n.Local}, {"git", n.Git}, {"away", n.Away}, {"fixed", n.Fixed}} {
		if mark.yes {
			out += " " + mark.name
		}
	}
	return out
}

func samples() map[string]struct{ text, want string } {
	return map[string]struct{ text, want string }{
		"package.json": {`{"name": "x",
  "dependencies": {"a": "^1", "al": "npm:real@2", "f": "file:../f", "g": "user/repo", "h": "https://example.com/h.tgz", "w": "workspace:*", "o": "1"},
  "devDependencies": {"d": "latest", "a": "^1"}, "optionalDependencies": {"o": "2"}, "overrides": {"b": "1"}
}`, "a ^1, d latest dev, f file:../f local, g user/repo git, h https://example.com/h.tgz away, o 2, al=real 2, w workspace:* local"},
		"pyproject.toml": {`[project]
name = "x"
dependencies = ["A_b[x]>=1,<2; python_version>'3'", "c @ git+https://github.com/x/c@main", "d"]
[project.optional-dependencies]
e = ["e (>=1)"]
[dependency-groups]
dev = ["f==1", {include-group = "g"}]
[tool.uv.sources]
d = {path = "../d"}
`, "a-b >=1,<2, c  git, d  local, e >=1, f ==1 dev"},
		"p/pyproject.toml": {`[tool.poetry]
name = "x"
[tool.poetry.dependencies]
python = "^3.12"
A = "^1.2"
b = {git = "https://github.com/x/b.git", rev = "0123456789abcdef0123456789abcdef01234567"}
[tool.poetry.group.dev.dependencies]
c = "*"
`, "a ^1.2, b  git fixed, c * dev"},
		"Pipfile": {"[[source]]\nurl = \"https://pypi.example.com/simple\"\n[packages]\nA = \"*\"\n[dev-packages]\nb = {version = \"==1\"}\n", "a *, b ==1 dev"},
		"Cargo.toml": {`[package]
name = "x"
[dependencies]
a = "1"
r = { package = "real", version = "2" }
p = { path = "../p" }
w = { workspace = true }
[dev-dependencies]
d = { git = "https://github.com/x/d" }
[target.'cfg(unix)'.dependencies]
u = "3"
[workspace.dependencies]
w = "4"
`, "a 1, d  dev git, p  local, r=real 2, u 3, w 4"},
	}
}

func TestSamples(t *testing.T) {
	for name, c := range samples() {
		m, err := Parse(name, []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, n := range m.Needs {
			got = append(got, told(n))
			if n.Dev && m.Line(n) < 2 {
				t.Errorf("%s: %s stands in line %d", name, n.Key(), m.Line(n))
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, ", "), c.want)
		}
	}
}

func TestWithin(t *testing.T) {
	poetry := "[tool.poetry.dependencies]\nx = %q\n"
	project := "[project]\ndependencies = [%q]\n"
	for _, c := range []struct {
		file, form, want, version string
		in                        string
	}{
		{"package.json", `{"dependencies":{"x":%q}}`, "^1.2.3", "1.9.0", "true"},
		{"package.json", `{"dependencies":{"x":%q}}`, "^1.2.3", "2.0.0", "false"},
		{"package.json", `{"dependencies":{"x":%q}}`, "^1.2.3", "1.3.0-beta.1", "false"},
		{"package.json", `{"dependencies":{"x":%q}}`, "1.x || >=3.0.0 <4", "3.1.0", "true"},
		{"package.json", `{"dependencies":{"x":%q}}`, "1.0.0 - 2.0.0", "1.5.0", "true"},
		{"package.json", `{"dependencies":{"x":%q}}`, "latest", "1.5.0", "true"},
		{"package.json", `{"dependencies":{"x":%q}}`, "file:./x", "1.5.0", "true"},
		{"package.json", `{"dependencies":{"x":%q}}`, "^1.2.3 nonsense!", "1.5.0", "error"},
		{"package.json", `{"dependencies":{"x":%q}}`, "^1.2.3", "not.a.version", "error"},
		{"pyproject.toml", project, "x>=1.0,!=1.5", "1.5", "false"},
		{"pyproject.toml", project, "x~=1.4.2", "1.4.9", "true"},
		{"pyproject.toml", project, "x~=1.4.2", "1.5.0", "false"},
		{"pyproject.toml", project, "x==1.*", "1.7.post1", "true"},
		{"pyproject.toml", poetry, "^1.2", "1.9", "true"},
		{"pyproject.toml", poetry, "^1.2", "2.0", "false"},
		{"pyproject.toml", poetry, "^0.2.3", "0.3.0", "false"},
		{"pyproject.toml", poetry, "^0.0", "0.0.9", "true"},
		{"pyproject.toml", poetry, "^0.0", "0.1", "false"},
		{"pyproject.toml", poetry, "~1.2.3", "1.3.0", "false"},
		{"pyproject.toml", poetry, "~1.2", "1.2.9", "true"},
		{"pyproject.toml", poetry, "1.2.3", "1.2.3", "true"},
		{"pyproject.toml", poetry, ">=1,<2 || ^3", "3.5", "true"},
		{"pyproject.toml", poetry, "^x", "3.5", "error"},
		{"Cargo.toml", "[dependencies]\nx = %q\n", "1.2", "1.9.0", "true"},
		{"Cargo.toml", "[dependencies]\nx = %q\n", "0.2", "0.3.0", "false"},
		{"Cargo.toml", "[dependencies]\nx = %q\n", ">=1, <1.5", "1.5.0", "false"},
	} {
		m, err := Parse(c.file, fmt.Appendf(nil, c.form, c.want))
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		in, err := m.Within(m.Needs[0], c.version)
		got := fmt.Sprint(in)
		if err != nil {
			got = "error"
		}
		if got != c.in {
			t.Errorf("%s %s: %s: %s (%v), want %s", c.file, c.want, c.version, got, err, c.in)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, texts := range map[string][]string{
		"package.json":   {"", "[]", `{"dependencies":[]}`, `{"dependencies":{"a":1}}`, "\xff"},
		"pyproject.toml": {"x", "[project]\ndependencies = 1\n", "[project]\ndependencies = ['!']\n"},
		"Cargo.toml":     {"dependencies = 1\n", "[a\n"},
		"Pipfile":        {"packages = 1\n"},
		"other":          {""},
	} {
		for _, text := range texts {
			if m, err := Parse(name, []byte(text)); err == nil {
				t.Errorf("%s: %q is read: %+v", name, text, m)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for name, c := range samples() {
		f.Add(name, []byte(c.text), "1.2.3")
	}
	f.Fuzz(func(t *testing.T, name string, data []byte, version string) {
		m, err := Parse(name, data)
		if err != nil {
			return
		}
		for _, n := range m.Needs {
			in, err := m.Within(n, version)
			if in && err != nil {
				t.Fatalf("%+v: in the range, and %v", n, err)
			}
			if line := m.Line(n); line < 1 || line > strings.Count(string(data), "\n")+1 {
				t.Fatalf("%+v stands in line %d", n, line)
			}
		}
	})
}
