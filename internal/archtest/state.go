package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// checkState refuses init functions and package-level variables that are not
// constants in all but name. Allowed are: error values, compiled patterns and
// other results of constructors that make a fixed value, tables that nothing
// writes to, literal or built by a function of the package, pools of scratch
// memory, interface guards, embedded files, and text that the linker sets in a
// command. All but error values are unexported, for nobody outside can be
// kept from writing to them.
func checkState(packages []*pkg) []string {
	var found []string
	for _, p := range packages {
		for _, f := range p.handwritten() {
			for _, decl := range f.syntax.Decls {
				switch d := decl.(type) {
				case *ast.FuncDecl:
					if d.Name.Name == "init" && d.Recv == nil {
						found = append(found, fmt.Sprintf("%s: init function", f.at(d)))
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						found = append(found, p.checkVars(f, d)...)
					}
				}
			}
		}
	}
	return found
}

func (p *pkg) checkVars(f *file, decl *ast.GenDecl) []string {
	var found []string
	for _, s := range decl.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok || isEmbed(decl.Doc) || isEmbed(spec.Doc) {
			continue
		}
		for i, name := range spec.Names {
			if why := p.refuseVar(spec, i); why != "" {
				found = append(found, fmt.Sprintf("%s: package-level variable %s: %s", f.at(name), name.Name, why))
			}
		}
	}
	return found
}

func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// refuseVar says why a variable is state, or "".
func (p *pkg) refuseVar(spec *ast.ValueSpec, i int) string {
	name := spec.Names[i].Name
	if name == "_" {
		return ""
	}
	if i >= len(spec.Values) {
		if t, ok := spec.Type.(*ast.Ident); ok && t.Name == "string" && roomOf(p.dir) == "cmd" {
			return p.writes(name, spec)
		}
		return "has no value of its own"
	}
	value := spec.Values[i]
	switch {
	case !isFixed(value) && !p.buildsTable(value):
		return "holds something that can change"
	case ast.IsExported(name) && !isErrorValue(value):
		return "is exported: others could write to it"
	}
	return p.writes(name, spec)
}

func isErrorValue(e ast.Expr) bool {
	if call, ok := e.(*ast.CallExpr); ok {
		name := selector(call.Fun)
		return name == "errors.New" || name == "fmt.Errorf"
	}
	return isErrorPointer(e)
}

// isErrorPointer accepts &Error{…}: errors are compared by identity.
func isErrorPointer(e ast.Expr) bool {
	u, ok := e.(*ast.UnaryExpr)
	if !ok || u.Op != token.AND {
		return false
	}
	lit, ok := u.X.(*ast.CompositeLit)
	return ok && strings.HasSuffix(selector(lit.Type), "Error")
}

// fixedMakers are functions whose results nothing can change.
var fixedMakers = [...]string{
	"errors.New", "fmt.Errorf", "strings.NewReplacer", "reflect.TypeFor", "reflect.TypeOf", "unique.Make",
	"netip.AddrFrom4", "netip.AddrFrom16", "netip.PrefixFrom", "prometheus.NewDesc", "len", "time.Date",
	"sync.OnceValue", "sync.OnceValues", "language.NewMatcher", "elliptic.P256", "ecdh.X25519",
	"netip.IPv6Loopback", "netip.IPv6Unspecified", "netip.IPv4Unspecified",
	"jsonrpc.NewMembers", "jsonrpc.NewReader", // descriptions of members, read-only by contract
	"sse.AppendEvent", // bytes of one event
}

// buildsTable accepts the result of a function of the same package that is a
// value and no pointer to one: a table made from a shorter notation.
func (p *pkg) buildsTable(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	if !ok {
		return false
	}
	for _, f := range p.code() {
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.Name != name.Name || fn.Type.Results == nil || len(fn.Type.Results.List) != 1 {
				continue
			}
			switch result := fn.Type.Results.List[0].Type.(type) {
			case *ast.ArrayType, *ast.MapType:
				return true
			case *ast.Ident:
				return result.Name != "any" && result.Name != "error"
			}
		}
	}
	return false
}

// isFixed reports whether an initial value is one that stays as it is.
func isFixed(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.BasicLit, *ast.Ident, *ast.SelectorExpr:
		return true
	case *ast.ParenExpr:
		return isFixed(x.X)
	case *ast.BinaryExpr:
		return isFixed(x.X) && isFixed(x.Y)
	case *ast.UnaryExpr:
		return x.Op != token.AND && x.Op != token.ARROW && isFixed(x.X) || isErrorPointer(x)
	case *ast.CompositeLit:
		name := selector(x.Type)
		// What a pool hands out has no content that a caller could rely on.
		return (!strings.HasPrefix(name, "sync.") || name == "sync.Pool") && !strings.HasPrefix(name, "atomic.")
	case *ast.CallExpr:
		return isFixedCall(x)
	default:
		return false
	}
}

func isFixedCall(call *ast.CallExpr) bool {
	switch fun := call.Fun.(type) {
	case *ast.ArrayType: // a conversion: []byte("…")
		return true
	case *ast.IndexExpr: // an instantiation: reflect.TypeFor[T]()
		return isFixedName(selector(fun.X))
	default:
		return isFixedName(selector(fun))
	}
}

func isFixedName(name string) bool {
	last := name[strings.LastIndex(name, ".")+1:]
	return slices.Contains(fixedMakers[:], name) || strings.HasPrefix(last, "Must") ||
		strings.HasPrefix(last, "must") || last == "Strict" || last == "WithPadding"
}

// selector writes a.b.c, or "" for anything else.
func selector(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return selector(x.X) + "." + x.Sel.Name
	default:
		return ""
	}
}

// writes says where a package, tests included, writes to one of its variables.
func (p *pkg) writes(name string, spec *ast.ValueSpec) string {
	for _, f := range p.files {
		where := ""
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			for _, target := range written(n) {
				if id := base(target); id != nil && id.Name == name && refersTo(id, spec) {
					where = f.at(n)
				}
			}
			return where == ""
		})
		if where != "" {
			return "is written to in " + where
		}
	}
	return ""
}

// written returns the expressions that a node writes to or gives the address of.
func written(n ast.Node) []ast.Expr {
	switch x := n.(type) {
	case *ast.AssignStmt:
		if x.Tok != token.DEFINE {
			return x.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{x.X}
	case *ast.UnaryExpr:
		if x.Op == token.AND {
			return []ast.Expr{x.X}
		}
	case *ast.RangeStmt:
		if x.Tok == token.ASSIGN {
			return []ast.Expr{x.Key, x.Value}
		}
	case *ast.CallExpr:
		switch selector(x.Fun) {
		case "delete", "clear", "slices.Sort", "slices.Reverse", "sort.Strings", "sort.Slice", "copy", "maps.Copy":
			return x.Args[:min(1, len(x.Args))]
		}
	}
	return nil
}

// base returns the variable that x, x[i], x.f and *x belong to.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// refersTo tells the package's variable from a local one of the same name. The
// parser resolves names within a file; one that it leaves open is declared in
// another file of the package.
func refersTo(id *ast.Ident, spec *ast.ValueSpec) bool {
	return id.Obj == nil || id.Obj.Decl == spec
}
