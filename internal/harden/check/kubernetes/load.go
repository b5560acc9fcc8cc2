package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Set is all manifests of a target.
type Set struct {
	Objects []*Object
	pods    []*workload
	// unread is why some files could not be read: what a rule did not see, it
	// cannot vouch for.
	unread error
}

// Object is one manifest.
type Object struct {
	File       string
	Doc        *yamltree.Node
	APIVersion string
	Kind       string
	Name       string
	Namespace  string // "default" where none is said
}

// workload is an object that makes pods.
type workload struct {
	*Object
	meta *yamltree.Node // metadata of the pods
	spec *yamltree.Node // their specification
}

// Find returns "." if there are manifests in a folder: they are judged
// together. Templates of Helm charts are not among them.
func Find(t *tree.Tree) []string {
	found := sources(t)
	switch {
	case len(found) == 0:
		return nil
	case t.Single():
		return found
	}
	return []string{"."}
}

// sources returns the files that look like manifests, or cannot be looked at.
func sources(t *tree.Tree) []string {
	charts := map[string]bool{}
	for _, f := range t.Files() {
		if f.Base() == "Chart.yaml" {
			charts[path.Dir(f.Path)] = true
		}
	}
	return t.Named(func(f tree.File) bool {
		switch f.Ext() {
		case ".yaml", ".yml", ".json":
		default:
			return false
		}
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if path.Base(dir) == "templates" && charts[path.Dir(dir)] {
				return false
			}
		}
		data, err := contents(t, f.Path)
		return err == nil && manifest(data)
	})
}

// manifest reports whether a text says of what kind and version it is.
func manifest(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return names(data, "apiVersion") && names(data, "kind") && len(versions.FindAll(data, -1)) != len(agents.FindAll(data, -1))
}

// Manifests of agents have the same two fields, and are no business of a
// cluster.
var (
	versions = regexp.MustCompile(`(?:^|[\n{,])[ \t-]*["']?apiVersion["']?[ \t]*:`)
	agents   = regexp.MustCompile(`(?:^|[\n{,])[ \t-]*["']?apiVersion["']?[ \t]*:\s*["']?ossa/`)
)

// names reports whether a field stands at the outmost level, in any of the ways
// to write it.
func names(data []byte, name string) bool {
	if bytes.Contains(data, []byte(`"`+name+`"`)) {
		return true
	}
	if !bytes.Contains(data, []byte(name)) {
		return false
	}
	indent := "" // of the first line that says something
	for l := range bytes.Lines(data) {
		if text := bytes.TrimSpace(l); len(text) > 0 && text[0] != '#' && !bytes.HasPrefix(text, []byte("---")) && text[0] != '%' {
			indent = string(l[:len(l)-len(bytes.TrimLeft(l, " "))])
			break
		}
	}
	if flow.Match(data) {
		return regexp.MustCompile(`[\n{,]\s*["']?` + name + `["']?\s*:`).Match(data)
	}
	return regexp.MustCompile(`(?m)^` + indent + `(?:---[ \t]+)?(?:- )?["']?` + name + `["']?[ \t]*:`).Match(data)
}

// flow is a document that is written with braces.
var flow = regexp.MustCompile(`(?m)^(?:---[ \t]*)?\{(?:[^{]|$)`)

// contents reads a file. Bundles of manifests are larger than what people
// write by hand.
func contents(t *tree.Tree, name string) ([]byte, error) {
	if path.Ext(name) == ".json" {
		return t.Read(name)
	}
	return t.ReadLarge(name)
}

// Load reads the manifests of a tree, or one file. Documents that are no
// manifests are left out. A file that cannot be read makes every rule that
// finds nothing in the others say that it does not know.
func Load(ctx context.Context, t *tree.Tree, name string) (*Set, error) {
	s := &Set{}
	files := []string{name}
	if name == "." {
		files = sources(t)
	}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := contents(t, file)
		if err != nil {
			s.unread = errors.Join(s.unread, err)
			continue
		}
		s.read(file, data)
	}
	return s, nil
}

// agentVersion begins the version of a manifest of an agent.
const agentVersion = "ossa/"

func (s *Set) read(file string, data []byte) {
	docs, err := yamltree.Stream(file, data)
	if err != nil {
		s.unread = errors.Join(s.unread, err)
		return
	}
	for _, doc := range docs {
		s.add(file, doc)
	}
}

func (s *Set) add(file string, doc *yamltree.Node) {
	o := &Object{
		File: file, Doc: doc, APIVersion: doc.Get("apiVersion").Value(), Kind: doc.Get("kind").Value(),
		Name: doc.Get("metadata", "name").Value(), Namespace: doc.Get("metadata", "namespace").Value(),
	}
	if o.APIVersion == "" || o.Kind == "" || strings.HasPrefix(o.APIVersion, agentVersion) {
		return
	}
	if strings.HasSuffix(o.Kind, "List") && doc.Get("items").IsList() {
		for _, item := range doc.Get("items").List() {
			s.add(file, item)
		}
		return
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	s.Objects = append(s.Objects, o)
	if w := o.workload(); w != nil {
		s.pods = append(s.pods, w)
	}
}

func (o *Object) workload() *workload {
	var pod *yamltree.Node
	switch o.Kind {
	case "Pod":
		pod = o.Doc
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job":
		pod = o.Doc.Get("spec", "template")
	case "CronJob":
		pod = o.Doc.Get("spec", "jobTemplate", "spec", "template")
	case "PodTemplate":
		pod = o.Doc.Get("template")
	default: // of an operator: a Rollout, a service of Knative
		if t := o.Doc.Get("spec", "template"); t.Get("spec", "containers").IsList() {
			pod = t
		}
	}
	if !pod.Get("spec").IsTable() {
		return nil
	}
	return &workload{Object: o, meta: pod.Get("metadata"), spec: pod.Get("spec")}
}

// serves reports whether the pods run until they are stopped.
func (w *workload) serves() bool { return w.Kind != "Job" && w.Kind != "CronJob" }

// containers returns the containers and, if asked for, those that run first.
func (w *workload) containers(first bool) []*yamltree.Node {
	out := w.spec.Get("containers").List()
	if first {
		out = slices.Concat(out, w.spec.Get("initContainers").List(), w.spec.Get("ephemeralContainers").List())
	}
	return out
}

func (s *Set) of(kinds ...string) []*Object {
	var out []*Object
	for _, o := range s.Objects {
		for _, kind := range kinds {
			if o.Kind == kind {
				out = append(out, o)
			}
		}
	}
	return out
}

// labels returns a table of texts.
func labels(n *yamltree.Node) map[string]string {
	out := map[string]string{}
	for _, name := range n.Names() {
		out[name] = n.Get(name).Value()
	}
	return out
}

// selects reports whether a label selector chooses labels. An empty selector
// chooses all; one that is not there, nothing.
func selects(selector *yamltree.Node, have map[string]string) bool {
	if !selector.IsTable() {
		return false
	}
	for name, want := range labels(selector.Get("matchLabels")) {
		if got, ok := have[name]; !ok || got != want {
			return false
		}
	}
	for _, e := range selector.Get("matchExpressions").List() {
		got, ok := have[e.Get("key").Value()]
		in := false
		for _, v := range e.Get("values").List() {
			in = in || ok && v.Value() == got
		}
		switch e.Get("operator").Value() {
		case "In":
			if !in {
				return false
			}
		case "NotIn":
			if in {
				return false
			}
		case "Exists":
			if !ok {
				return false
			}
		case "DoesNotExist":
			if ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// called names an object as kubectl does.
func (o *Object) called() string {
	name := o.Name
	if name == "" {
		name = "(no name)"
	}
	return strings.ToLower(o.Kind) + "/" + name
}

// at makes a finding about a place of the object: the first of the nodes that
// is there.
func (o *Object) at(message string, nodes ...*yamltree.Node) rule.Finding {
	f := rule.Finding{Message: o.called() + ": " + message, File: o.File, Line: yamltree.At(append(nodes, o.Doc)...)}
	for _, n := range nodes {
		if n != nil {
			f.Pointer = n.Path
			break
		}
	}
	return f
}
