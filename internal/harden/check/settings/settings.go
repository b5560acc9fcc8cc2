// Package settings has the rules for the gateway's own configuration,
// portcullis.toml.
//
// A file that the gateway would refuse to start with is not judged: loading it
// is an error, so all verdicts are unknown. Environment variables that the file
// names and that are not set where the check runs get a placeholder; a file
// that cannot be read with it says which variables to set.
package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// File is a configuration that was read.
type File struct {
	Path   string
	Data   []byte
	Config *config.Config
	Source *config.Source
}

// Find returns the configuration files of a folder: those called
// portcullis.toml, or with a word before or between, and a named file that
// looks like one.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		if f.Ext() != ".toml" {
			return false
		}
		name := f.Base()
		if name == config.FileName || strings.HasSuffix(name, "."+config.FileName) || strings.HasPrefix(name, "portcullis.") || strings.HasPrefix(name, "portcullis-") {
			return true
		}
		if !t.Single() {
			return false
		}
		data, err := t.Read(f.Path)
		return err == nil && looksLikeOne.Match(data)
	})
}

var looksLikeOne = regexp.MustCompile(`(?m)^\s*\[(\[route\]|server|identity[.\]]|audit[.\]])`)

// Load returns what reads a configuration of a tree. getenv is os.LookupEnv.
func Load(getenv func(string) (string, bool)) func(context.Context, *tree.Tree, string) (*File, error) {
	return func(_ context.Context, t *tree.Tree, p string) (*File, error) {
		data, err := t.Read(p)
		if err != nil {
			return nil, err
		}
		var unset []string
		cfg, src, err := config.Parse(path.Base(p), data, func(name string) (string, bool) {
			if getenv != nil {
				if value, ok := getenv(name); ok {
					return value, true
				}
			}
			if !needed(data, name) {
				return "", false
			}
			if !slices.Contains(unset, name) {
				unset = append(unset, name)
			}
			return placeholder + name, true
		})
		switch {
		case err != nil && len(unset) > 0:
			return nil, fmt.Errorf("%s cannot be read without %s: set them to what they are where it runs", p, strings.Join(unset, ", "))
		case err != nil:
			return nil, fmt.Errorf("the gateway would not start with it: %w", err)
		}
		return &File{Path: p, Data: data, Config: cfg, Source: src}, nil
	}
}

// placeholder is long enough for every setting that wants a secret of some
// length.
const placeholder = "placeholder-of-a-variable-that-is-not-set-here-"

// needed reports whether a file names a variable without a fallback.
func needed(data []byte, name string) bool { return bytes.Contains(data, []byte("${"+name+"}")) }

// Rules returns the rules.
func Rules() []rule.Rule[*File] {
	return slices.Concat(
		listenerRules(), floodRules(), callerRules(), proofRules(), tokenRules(), rateRules(), sizeRules(), browserRules(), routeRules(),
		contentRules(), pinRules(), agentRules(), recordRules(), sinkRules(), noticeRules(), supplyRules(),
	)
}

// found collects the places where a rule does not hold.
type found struct {
	file *File
	list []rule.Finding
}

// at adds the place of a setting.
func (f *found) at(setting, format string, a ...any) {
	f.list = append(f.list, rule.Finding{
		Message: fmt.Sprintf(format, a...), File: f.file.Path, Line: f.file.Source.Line(setting), Pointer: setting,
	})
}

// look makes a check of a function that never fails.
func look(f func(c *config.Config, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, file *File) ([]rule.Finding, error) {
		out := found{file: file}
		f(file.Config, &out)
		return out.list, nil
	}
}

// routes makes a check that looks at each route; at is its place.
func routes(f func(r *config.Route, at string, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return look(func(c *config.Config, out *found) {
		for i := range c.Routes {
			f(&c.Routes[i], fmt.Sprintf("route[%d]", i), out)
		}
	})
}

// agents makes a check that looks at each route to an agent. Without any it
// does not apply.
func agents(f func(r *config.Route, at string, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return when("there is no route to an agent", func(r *config.Route) bool { return r.Protocol == "a2a" }, f)
}

// when makes a check of the routes for which want is true.
func when(otherwise string, want func(*config.Route) bool, f func(r *config.Route, at string, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, file *File) ([]rule.Finding, error) {
		out, any := found{file: file}, false
		for i := range file.Config.Routes {
			if r := &file.Config.Routes[i]; want(r) {
				any = true
				f(r, fmt.Sprintf("route[%d]", i), &out)
			}
		}
		if !any {
			return nil, fmt.Errorf("%s: %w", otherwise, rule.ErrNotApplicable)
		}
		return out.list, nil
	}
}

// mend makes a rule fixable by writing a value, in TOML, for each setting that
// it finds. Settings that stand on no line of their own are left to a person.
func mend(r rule.Rule[*File], value string) rule.Rule[*File] {
	r.Fixable = true
	r.Mend = func(f *File) ([]rule.Edit, error) {
		places, err := r.Check(context.Background(), f)
		if err != nil {
			return nil, err
		}
		var out []rule.Edit
		for _, p := range places {
			edit, err := f.set(p.Pointer, value)
			if err != nil {
				return nil, err
			}
			out = append(out, edit)
		}
		return out, nil
	}
	return r
}

var errNotPlain = errors.New("does not stand on a line of its own: change it by hand")

// set returns the edit that gives another value to a setting that stands in
// the file, on one line.
func (f *File) set(setting, value string) (rule.Edit, error) {
	if !f.Source.Has(setting) {
		return rule.Edit{}, fmt.Errorf("%s %w", setting, errNotPlain)
	}
	start := tree.Offset(f.Data, f.Source.Line(setting))
	end := start + len(f.Data[start:])
	if i := bytes.IndexByte(f.Data[start:], '\n'); i >= 0 {
		end = start + i
	}
	name := setting[strings.LastIndexByte(setting, '.')+1:]
	line := regexp.MustCompile(`(?:^|[\s{,.])` + regexp.QuoteMeta(name) + `\s*=\s*("[^"\\]*"|'[^']*'|\[[^\[\]"']*\]|\[(?:\s*"[^"\\]*"\s*,?)*\s*\]|true|false|[0-9][0-9_.]*)`)
	hits := line.FindAllSubmatchIndex(f.Data[start:end], -1)
	if len(hits) != 1 {
		return rule.Edit{}, fmt.Errorf("%s %w", setting, errNotPlain)
	}
	return rule.Edit{File: f.Path, Start: start + hits[0][2], End: start + hits[0][3], Text: value}, nil
}

// sinks makes a check that looks at one switch of each sink. Without any sink
// it does not apply.
func sinks(look func(*audit.Sink) (name string, wrong bool), message string) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, file *File) ([]rule.Finding, error) {
		list := file.Config.Audit.Sinks
		if len(list) == 0 {
			return nil, fmt.Errorf("there is no sink: %w", rule.ErrNotApplicable)
		}
		out := found{file: file}
		for i := range list {
			if name, wrong := look(&list[i]); wrong {
				out.at(indexed("audit.sinks", i)+"."+name, message, list[i].Name)
			}
		}
		return out.list, nil
	}
}

// indexed is the place of an element of a list.
func indexed(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
