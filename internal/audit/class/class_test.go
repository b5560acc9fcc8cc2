package class

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	portcullis "github.com/portcullis-dev/portcullis"
)

const root = "../../.."

// declared returns the values of all constants of type EventType in the
// module's own code.
func declared(t *testing.T) map[portcullis.EventType]string {
	t.Helper()
	found := map[portcullis.EventType]string{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "EventType") {
			return err
		}
		f, err := parser.ParseFile(fset, path, text, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !isEventType(spec.Type) {
				return true
			}
			for i, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					found[portcullis.EventType(s)] = path + ": " + spec.Names[i].Name
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func isEventType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "EventType"
	case *ast.SelectorExpr:
		return e.Sel.Name == "EventType"
	}
	return false
}

func TestEveryTypeHasAClass(t *testing.T) {
	all := declared(t)
	if len(all) < 40 {
		t.Fatalf("only %d event types were found", len(all))
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "retention.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[Class]string{}
	for line := range strings.Lines(string(doc)) {
		for _, c := range All() {
			if strings.HasPrefix(line, "| `"+string(c)+"` |") {
				rows[c] += line
			}
		}
	}
	for typ, where := range all {
		c, ok := lookup(typ)
		if !ok {
			t.Errorf("%s (%s) has no class: add it to lookup and to docs/retention.md", typ, where)
		} else if !strings.Contains(rows[c], "`"+string(typ)+"`") {
			t.Errorf("docs/retention.md does not name %s in the row of class %s", typ, c)
		}
	}
}

func TestOf(t *testing.T) {
	for typ, want := range map[portcullis.EventType]Class{
		"CALL_STARTED": Access, "AUTH_FAILURE": Security, "CONFIG_CHANGED": Audit,
		"": Audit, "SOMETHING_NEW": Audit,
	} {
		if got := Of(typ); got != want {
			t.Errorf("Of(%q) = %s, want %s", typ, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range All() {
		if got, err := Parse(string(c)); err != nil || got != c {
			t.Errorf("Parse(%q) = %q, %v", c, got, err)
		}
	}
	if _, err := Parse("Audit"); err == nil {
		t.Error("Parse accepts another spelling")
	}
}
