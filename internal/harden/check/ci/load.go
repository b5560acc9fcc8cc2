package ci

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Set is all pipelines of a repository.
type Set struct {
	files  []*file
	unread error // why some could not be read
}

// file is a workflow of GitHub, or a pipeline of GitLab.
type file struct {
	path   string
	doc    *yamltree.Node
	github bool
	action bool     // it is the action of GitHub that other pipelines use
	events []string // what starts a workflow
	jobs   []*job
}

type job struct {
	file  *file
	name  string
	node  *yamltree.Node
	steps []step
}

// step is a step of a job; in GitLab, one that runs all its scripts.
type step struct {
	job    *job
	node   *yamltree.Node
	uses   string
	script string
	at     *yamltree.Node // of the script
}

// Find returns "." if a folder has pipelines: they are judged together.
func Find(t *tree.Tree) []string {
	found := pipelines(t)
	switch {
	case len(found) == 0:
		return nil
	case t.Single():
		return found
	}
	return []string{"."}
}

func pipelines(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		if ext := f.Ext(); ext != ".yml" && ext != ".yaml" {
			return false
		}
		if strings.HasPrefix(f.Path, ".github/workflows/") || gitlab(f.Path) {
			return true
		}
		if action(f.Path) {
			data, err := t.Read(f.Path)
			return err != nil || strings.Contains("\n"+string(data), "\nruns:")
		}
		if !t.Single() {
			return false
		}
		data, err := t.Read(f.Path)
		return err == nil && strings.Contains("\n"+string(data), "\njobs:") && (strings.Contains("\n"+string(data), "\non:") || strings.Contains(string(data), "runs-on:"))
	})
}

func gitlab(name string) bool {
	return strings.HasSuffix(path.Base(name), ".gitlab-ci.yml") || strings.HasPrefix(name, ".gitlab/ci/")
}

// action reports whether a file has the name of an action of GitHub.
func action(name string) bool {
	base := path.Base(name)
	return base == "action.yml" || base == "action.yaml"
}

// Load reads the pipelines of a tree, or one.
func Load(ctx context.Context, t *tree.Tree, name string) (*Set, error) {
	s := &Set{}
	names := []string{name}
	if name == "." {
		names = pipelines(t)
	}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := t.Read(n)
		if err == nil {
			err = s.read(n, data)
		}
		s.unread = errors.Join(s.unread, err)
	}
	return s, nil
}

func (s *Set) read(name string, data []byte) error {
	docs, err := yamltree.Stream(name, data)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		if !doc.IsTable() {
			return fmt.Errorf("%s:%d: want a table of names and values", name, doc.Line)
		}
		f := &file{path: name, doc: doc, github: !gitlab(name)}
		f.action = action(name) && doc.Get("runs").IsTable()
		if f.action {
			f.composite()
		} else if f.github {
			f.workflow()
		} else {
			f.pipeline()
		}
		s.files = append(s.files, f)
	}
	return nil
}

// workflow reads a workflow of GitHub.
func (f *file) workflow() {
	on := f.doc.Get("on")
	f.events = append(f.events, on.Names()...)
	for _, e := range on.List() {
		f.events = append(f.events, e.Value())
	}
	if v := on.Value(); v != "" {
		f.events = append(f.events, v)
	}
	jobs := f.doc.Get("jobs")
	for _, name := range jobs.Names() {
		j := &job{file: f, name: name, node: jobs.Get(name)}
		if uses := j.node.Get("uses"); uses != nil {
			j.steps = append(j.steps, step{job: j, node: j.node, uses: uses.Value()})
		}
		for _, n := range j.node.Get("steps").List() {
			j.steps = append(j.steps, step{job: j, node: n, uses: n.Get("uses").Value(), script: n.Get("run").Value(), at: n.Get("run")})
		}
		f.jobs = append(f.jobs, j)
	}
}

// composite reads an action: its steps run in the jobs that use it.
func (f *file) composite() {
	j := &job{file: f, name: "(the action)", node: f.doc.Get("runs")}
	for _, n := range j.node.Get("steps").List() {
		j.steps = append(j.steps, step{job: j, node: n, uses: n.Get("uses").Value(), script: n.Get("run").Value(), at: n.Get("run")})
	}
	f.jobs = append(f.jobs, j)
}

// pipeline reads a pipeline of GitLab: every table with scripts is a job.
func (f *file) pipeline() {
	for _, name := range f.doc.Names() {
		n := f.doc.Get(name)
		j := &job{file: f, name: name, node: n}
		for _, key := range [...]string{"before_script", "script", "after_script"} {
			part := n.Get(key)
			if name == "before_script" || name == "after_script" {
				part = n
			}
			for _, lineNode := range append(part.List(), part) {
				if text := lineNode.Value(); text != "" {
					j.steps = append(j.steps, step{job: j, node: n, script: text, at: lineNode})
				}
			}
			if part == n && n != nil {
				break
			}
		}
		if len(j.steps) > 0 || n.Get("image") != nil || n.Get("services") != nil {
			f.jobs = append(f.jobs, j)
		}
	}
}

// on reports whether one of some events starts a workflow.
func (f *file) on(events ...string) bool {
	return slices.ContainsFunc(f.events, func(e string) bool { return slices.Contains(events, e) })
}

func (f *file) at(message string, nodes ...*yamltree.Node) rule.Finding {
	out := rule.Finding{Message: message, File: f.path, Line: yamltree.At(append(nodes, f.doc)...)}
	for _, n := range nodes {
		if n != nil {
			out.Pointer = n.Path
			break
		}
	}
	return out
}

// action is what a step uses, without its version: "owner/name".
func (s step) action() (name, version string) {
	name, version, _ = strings.Cut(s.uses, "@")
	return strings.ToLower(name), version
}

// scripts returns everything that a file's steps run or use.
func (f *file) steps() []step {
	var out []step
	for _, j := range f.jobs {
		out = append(out, j.steps...)
	}
	return out
}
