package cedar

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// Bounds of what is loaded.
const (
	maxFile     = 256 << 10 // bytes
	maxPolicies = 1000
	maxNesting  = 100 // of brackets
)

// File is a policy file.
type File struct {
	Name string // stands in messages and events
	Text []byte
}

// Set is a set of policies. It is immutable and safe for concurrent use.
type Set struct {
	all       policies
	plain     policies // those that do not ask about arguments
	arguments policies // those that do

	asks map[string]bool // "context.ip": what any policy asks for; the rest is not made
}

type policies []*policy

type policy struct {
	*cedar.Policy
	name string // "FILE:LINE", with the policy's @id if it has one
	tree *ast.Policy
}

// All implements cedar.PolicyIterator, in the order of the files.
func (p policies) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, one := range p {
			if !yield(cedar.PolicyID(one.name), one.Policy) {
				return
			}
		}
	}
}

// Load parses and checks policy files. The error names file and line of every
// mistake.
func Load(files []File) (*Set, error) {
	s := &Set{asks: map[string]bool{}}
	var errs []error
	for _, f := range files {
		errs = append(errs, s.add(f))
	}
	if len(s.all) > maxPolicies {
		errs = append(errs, fmt.Errorf("%d policies: want at most %d", len(s.all), maxPolicies))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Len returns the number of policies.
func (s *Set) Len() int { return len(s.all) }

func (s *Set) add(f File) error {
	if len(f.Text) > maxFile {
		return fmt.Errorf("%s: %d bytes: want at most %d", f.Name, len(f.Text), maxFile)
	}
	if line := tooDeep(f.Text); line > 0 {
		return fmt.Errorf("%s:%d: brackets are nested more than %d deep", f.Name, line, maxNesting)
	}
	list, err := cedar.NewPolicyListFromBytes(f.Name, f.Text)
	if err != nil {
		return parseError(f, err)
	}
	var errs []error
	for _, p := range list {
		at := fmt.Sprintf("%s:%d", f.Name, p.Position().Line)
		one := &policy{Policy: p, name: at, tree: (*ast.Policy)(p.AST())}
		if id := p.Annotations()["id"]; id != "" {
			one.name += " " + string(id)
		}
		words, err := check(one.tree)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
		}
		for _, w := range words {
			s.asks[w] = true
		}
		s.all = append(s.all, one)
		if slices.Contains(words, asksArguments) {
			s.arguments = append(s.arguments, one)
		} else {
			s.plain = append(s.plain, one)
		}
	}
	return errors.Join(errs...)
}

// tooDeep returns the line where brackets are nested too deep for a parser that
// calls itself, or 0.
func tooDeep(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '/' && i+1 < len(text) && text[i+1] == '/': // a comment may hold a quote
			end := bytes.IndexByte(text[i:], '\n')
			if end < 0 {
				return 0
			}
			i += end
		case c == '(' || c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return 1 + bytes.Count(text[:i], []byte("\n"))
			}
		case c == ')' || c == ']' || c == '}':
			depth--
		}
	}
	return 0
}

var position = regexp.MustCompile(`<input>:(\d+):(\d+)`)

// parseError puts file and line in front of what the parser says.
func parseError(f File, err error) error {
	text := strings.TrimPrefix(err.Error(), "parser error: ")
	line := 1
	if m := position.FindStringSubmatchIndex(text); m != nil {
		if n, aerr := strconv.Atoi(text[m[2]:m[3]]); aerr == nil && n > 0 {
			line = n
		}
		text = strings.TrimPrefix(text[:m[0]], "parse error at ") + strings.TrimLeft(text[m[1]:], ": ")
	}
	words := strings.NewReplacer(`"": exact got  want`, "the file ends, want", "exact got", "got")
	return fmt.Errorf("%s:%d: %s", f.Name, line, words.Replace(text))
}

// What policies may name. A word that is none of these would make a policy
// that never fits, and for a forbid that is a hole.
var (
	entityTypes = []types.EntityType{
		typeUser, typeKey, typeRole, typeAction, typeTool, typePrompt, typeResource, typeSkill, typeMethod, typeRoute, typeNull, typeNumber,
	}
	attributes = map[string][]string{
		"context":   {"arguments", "ip", "time", "hour", "weekday", "risk", "route", "tls"},
		"principal": {"id", "method", "key", "roles", "scopes"},
		"resource":  {"name", "route"},
		"action":    {},
	}
)

const asksArguments = "context.arguments"

// check finds words that are not there. It returns those that are asked for,
// such as "context.ip".
func check(p *ast.Policy) (words []string, err error) {
	var errs []error
	checkType := func(t types.EntityType) {
		if !slices.Contains(entityTypes, t) {
			errs = append(errs, fmt.Errorf("there are no entities of type %s (there are %s)", t, listTypes()))
		}
	}
	ast.Inspect(eval.PolicyToNode(p), func(n ast.IsNode) bool {
		var arg ast.IsNode
		var word string
		switch v := n.(type) {
		case ast.NodeTypeAccess:
			arg, word = v.Arg, string(v.Value)
		case ast.NodeTypeHas:
			arg, word = v.Arg, string(v.Value)
		case ast.NodeTypeIs:
			checkType(v.EntityType)
		case ast.NodeTypeIsIn:
			checkType(v.EntityType)
		case ast.NodeValue:
			if uid, ok := v.Value.(types.EntityUID); ok {
				checkType(uid.Type)
			}
		case ast.NodeTypeVariable:
			if v.Name == "context" {
				errs = append(errs, errors.New("context has to be asked for an attribute, such as context.ip"))
			}
		}
		variable, ok := arg.(ast.NodeTypeVariable)
		if !ok {
			return true
		}
		if known := attributes[string(variable.Name)]; !slices.Contains(known, word) {
			errs = append(errs, fmt.Errorf("%s has no attribute %q (it has %s)", variable.Name, word, strings.Join(known, ", ")))
		}
		words = append(words, string(variable.Name)+"."+word)
		return false
	})
	return words, errors.Join(errs...)
}

func listTypes() string {
	names := make([]string, len(entityTypes))
	for i, t := range entityTypes {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}
