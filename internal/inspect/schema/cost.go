package schema

import (
	"errors"
	"regexp/syntax"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds on what checking one value may cost, each about half a second of one
// core at the most.
const (
	maxSteps   = 1_000_000  // visits of a value by a part of the schema
	maxMatched = 50_000_000 // bytes of text × instructions of a pattern
	maxPairs   = 20_000_000 // comparisons of array elements
	maxParts   = 6_000      // parts of a schema, those it refers to included
	maxInPlace = 64         // parts that apply to one value through one another
	maxPattern = 1 << 12    // instructions of one pattern
	maxText    = 4 << 10    // bytes of one pattern
	maxAllInst = 1 << 16    // instructions of all patterns of a schema
)

var (
	errLoop      = errors.New("refers to itself without an end")
	errCostly    = errors.New("costs too much to check")
	errDynamic   = errors.New("uses $dynamicRef or $recursiveRef")
	errPattern   = errors.New("holds a pattern that cannot be used")
	errManyParts = errors.New("has too many parts")
)

// weight is what one visit costs: steps, matching and comparing.
type weight [3]float64

func (w weight) plus(o weight) weight { return weight{w[0] + o[0], w[1] + o[1], w[2] + o[2]} }

func (w weight) most(o weight) weight {
	return weight{max(w[0], o[0]), max(w[1], o[1]), max(w[2], o[2])}
}

// part is one subschema and where checking goes on from it.
type part struct {
	own              weight
	inPlace          []int // on the same value: all of them
	names            int   // on the names of members; -1 = none
	object, array    []int // on a member or element: one of them
	objects, arrays  []int // on a member or element: all of them
	noObject, noList bool  // the type excludes it, so checking stops there
}

// graph is a compiled schema as the parts that checking visits.
type graph struct {
	parts []part
	order []int // parts that apply in place come before those that apply them
	index map[*jsonschema.Schema]int
	queue []*jsonschema.Schema
	names map[string]bool // names that stand in the schema
}

// survey walks a compiled schema.
func survey(root *jsonschema.Schema) (*graph, error) {
	g := &graph{index: map[*jsonschema.Schema]int{}, names: map[string]bool{}}
	g.at(root)
	for i := 0; i < len(g.queue); i++ {
		if i >= maxParts {
			return nil, errManyParts
		}
		p, err := g.visit(g.queue[i])
		if err != nil {
			return nil, err
		}
		g.parts = append(g.parts, p)
	}
	return g, g.sort()
}

// at returns the number of a part.
func (g *graph) at(s *jsonschema.Schema) int {
	i, ok := g.index[s]
	if !ok {
		i = len(g.queue)
		g.index[s] = i
		g.queue = append(g.queue, s)
	}
	return i
}

func (g *graph) all(list *[]int, schemas ...*jsonschema.Schema) {
	for _, s := range schemas {
		if s != nil {
			*list = append(*list, g.at(s))
		}
	}
}

// either adds what is a schema, a list of schemas or something else.
func (g *graph) either(list *[]int, v any) {
	switch v := v.(type) {
	case *jsonschema.Schema:
		g.all(list, v)
	case []*jsonschema.Schema:
		g.all(list, v...)
	}
}

func (g *graph) visit(s *jsonschema.Schema) (part, error) {
	if s.DynamicRef != nil || s.RecursiveRef != nil {
		return part{}, errDynamic // what it means depends on the way that led there
	}
	p := part{names: -1, own: weight{1 + float64(len(s.Required)+len(s.Dependencies)+len(s.DependentRequired)+len(s.DependentSchemas))}}
	if s.Enum != nil {
		p.own[0] += float64(len(s.Enum.Values))
	}
	if s.Types != nil {
		types := s.Types.ToStrings()
		p.noObject, p.noList = !slices.Contains(types, "object"), !slices.Contains(types, "array")
	}
	if s.UniqueItems {
		p.own[2] = 1
	}
	switch re := s.Pattern.(type) {
	case foreign:
		s.Pattern = nil // left to the server
	case *pattern:
		p.own[1] += float64(re.size)
	}
	g.all(&p.inPlace, s.Ref, s.Not, s.If, s.Then, s.Else)
	g.all(&p.inPlace, s.AllOf...)
	g.all(&p.inPlace, s.AnyOf...)
	g.all(&p.inPlace, s.OneOf...)
	for _, dep := range s.Dependencies {
		g.either(&p.inPlace, dep)
	}
	for _, dep := range s.DependentSchemas {
		g.all(&p.inPlace, dep)
	}
	if s.PropertyNames != nil {
		p.names = g.at(s.PropertyNames)
	}
	for name, sub := range s.Properties {
		g.names[name] = true
		g.all(&p.object, sub)
	}
	for _, name := range s.Required {
		g.names[name] = true
	}
	for re, sub := range s.PatternProperties {
		known, ok := re.(*pattern)
		if !ok {
			return part{}, errPattern
		}
		p.own[1] += float64(known.size)
		g.all(&p.objects, sub)
	}
	g.either(&p.object, s.AdditionalProperties)
	g.all(&p.objects, s.UnevaluatedProperties)
	g.all(&p.array, s.PrefixItems...)
	g.all(&p.array, s.Items2020)
	g.either(&p.array, s.Items)
	g.either(&p.array, s.AdditionalItems)
	g.all(&p.arrays, s.Contains, s.UnevaluatedItems)
	return p, nil
}

// sort finds an order in which what applies in place comes first. A part that
// applies itself in place would be checked without an end.
func (g *graph) sort() error {
	const (
		unseen = iota
		open
		done
	)
	state := make([]uint8, len(g.parts))
	var enter func(i, depth int) error
	enter = func(i, depth int) error {
		switch {
		case state[i] == done:
			return nil
		case state[i] == open:
			return errLoop
		case depth > maxInPlace:
			return errCostly
		}
		state[i] = open
		for _, next := range g.parts[i].inPlace {
			if err := enter(next, depth+1); err != nil {
				return err
			}
		}
		if n := g.parts[i].names; n >= 0 {
			if err := enter(n, depth+1); err != nil {
				return err
			}
		}
		state[i] = done
		g.order = append(g.order, i)
		return nil
	}
	for i := range g.parts {
		if state[i] == unseen {
			if err := enter(i, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// costs returns, by depth, the most that is spent on one value at that depth
// when checking begins with part 0. It grows with the number of ways that lead
// to a value, so it sees what doubles at every step.
func (g *graph) costs() [maxDepth + 1]weight {
	var out [maxDepth + 1]weight
	now, before := make([]weight, len(g.parts)), make([]weight, len(g.parts))
	for _, i := range g.order {
		p := &g.parts[i]
		w := p.own
		if p.names >= 0 {
			w = w.plus(now[p.names])
		}
		for _, next := range p.inPlace {
			w = w.plus(now[next])
		}
		now[i] = w
	}
	out[0] = now[0]
	objects, lists := make([]weight, len(g.parts)), make([]weight, len(g.parts))
	for depth := 1; depth <= maxDepth; depth++ {
		now, before = before, now
		for _, i := range g.order {
			p := &g.parts[i]
			objects[i], lists[i] = weight{}, weight{}
			if !p.noObject {
				objects[i] = below(p.object, p.objects, before)
			}
			if !p.noList {
				lists[i] = below(p.array, p.arrays, before)
			}
			for _, next := range p.inPlace {
				if !p.noObject {
					objects[i] = objects[i].plus(objects[next])
				}
				if !p.noList {
					lists[i] = lists[i].plus(lists[next])
				}
			}
			now[i] = objects[i].most(lists[i])
		}
		out[depth] = now[0]
	}
	return out
}

func below(one, every []int, before []weight) weight {
	var w weight
	for _, i := range one {
		w = w.most(before[i])
	}
	for _, i := range every {
		w = w.plus(before[i])
	}
	return w
}

// affordable reports whether a value of a shape can be checked, and how many
// steps that may take.
func affordable(costs *[maxDepth + 1]weight, s *shape) (steps float64, ok bool) {
	var sum weight
	for d := 0; d <= s.depth; d++ {
		c := costs[d]
		sum[0] += c[0] * (s.values[d] + s.values[d+1]) // a visit looks at the members too
		sum[1] += c[1] * s.text[d]
		sum[2] += c[2] * s.pairs[d]
	}
	return sum[0], sum[0] <= maxSteps && sum[1] <= maxMatched && sum[2] <= maxPairs
}

// instructions is about what a pattern compiles to, found without compiling it.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	if re.Op == syntax.OpLiteral {
		n = 1 + len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<30)
}
