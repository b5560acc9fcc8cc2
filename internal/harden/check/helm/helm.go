// Package helm judges Helm charts: what the chart says of itself and its values,
// and what it makes, for which Helm has to be there to render it.
package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/kubernetes"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Bounds of rendering.
const (
	renderTime = 20 * time.Second
	maxOutput  = yamltree.MaxStream
)

// clusters are the versions of Kubernetes that a chart is rendered for: today's,
// and where the chart refuses it, older ones and one that is not there yet. What
// Helm takes for itself depends on how it was built, and may be years old.
func clusters() []string { return []string{"1.35.0", "1.32.0", "1.29.0", "1.24.0", "1.20.0", "1.99.0"} }

// Chart is a Helm chart.
type Chart struct {
	tree   *tree.Tree
	folder string
	about  *yamltree.Node // Chart.yaml
	values *yamltree.Node // values.yaml, nil where there is none
	places []values       // values.yaml, and those of one place: values-prod.yaml

	once sync.Once // rendering takes a program
	made []byte
	why  error
}

// values are those of one file.
type values struct {
	name string
	*yamltree.Node
}

// ofPlace reports whether a file holds values for one place.
func ofPlace(base string) bool {
	ext := path.Ext(base)
	return (ext == ".yaml" || ext == ".yml") && (strings.HasPrefix(base, "values-") || strings.HasPrefix(base, "values.") && strings.Count(base, ".") > 1)
}

// Find returns the Chart.yaml of every chart of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool { return f.Base() == "Chart.yaml" })
}

// Load reads a chart by its Chart.yaml.
func Load(_ context.Context, t *tree.Tree, name string) (*Chart, error) {
	c := &Chart{tree: t, folder: path.Dir(name)}
	var err error
	if c.about, err = table(t, name); err != nil {
		return nil, err
	}
	if _, ok := t.File(path.Join(c.folder, "values.yaml")); ok {
		if c.values, err = table(t, path.Join(c.folder, "values.yaml")); err != nil {
			return nil, err
		}
		c.places = append(c.places, values{"values.yaml", c.values})
	}
	for _, name := range t.Under(c.folder) {
		if path.Dir(name) != c.folder || !ofPlace(path.Base(name)) {
			continue
		}
		n, err := table(t, name)
		if err != nil {
			return nil, err
		}
		if n.Get("sops") == nil { // else its values are encrypted
			c.places = append(c.places, values{path.Base(name), n})
		}
	}
	return c, nil
}

// table reads a file whose top is a table. An empty one is a table too.
func table(t *tree.Tree, name string) (*yamltree.Node, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	docs, err := yamltree.Stream(name, data)
	switch {
	case err != nil:
		return nil, err
	case len(docs) == 0:
		return nil, nil
	case len(docs) > 1 || !docs[0].IsTable():
		return nil, fmt.Errorf("%s:1: want one table", name)
	}
	return docs[0], nil
}

func (c *Chart) file(name string) string { return path.Join(c.folder, name) }

func (c *Chart) has(name string) bool {
	_, ok := c.tree.File(c.file(name))
	return ok
}

// rendered are the verdicts on what a chart makes of those rules about manifests
// that are wanted.
func (c *Chart) rendered(ctx context.Context, want func(rule.Severity) bool) ([]rule.Finding, error) {
	c.once.Do(func() { c.made, c.why = c.render(ctx) })
	text, err := c.made, c.why
	if err != nil {
		return nil, err
	}
	// The manifests are looked at as a file that is not there: nothing of the
	// scanned folder is changed.
	const name = "rendered.yaml"
	set, err := kubernetes.Load(ctx, c.tree.With(map[string][]byte{c.file(name): text}), c.file(name))
	if err != nil {
		return nil, err
	}
	var found []rule.Finding
	var errs []error
	for _, r := range kubernetes.Rules() {
		if !want(r.Severity) {
			continue
		}
		ones, err := r.Check(ctx, set)
		if err != nil && !errors.Is(err, rule.ErrNotApplicable) {
			errs = append(errs, err)
		}
		for _, f := range ones {
			f.Message = r.ID + ": " + f.Message
			f.File, f.Line = c.file("Chart.yaml"), 1
			found = append(found, f)
		}
	}
	return found, errors.Join(errs...)
}

// render makes the manifests with the values that the chart brings. Helm gets a
// copy of what the tree read, so that links lead nowhere, an environment without
// settings, and no way to the network; a chart whose dependencies are not there
// is not rendered.
func (c *Chart) render(ctx context.Context) ([]byte, error) {
	helm, err := exec.LookPath("helm")
	if err != nil {
		return nil, errors.New("the chart was not rendered: helm is not on PATH")
	}
	dir, err := os.MkdirTemp("", "portcullis-chart-")
	if err != nil {
		return nil, fmt.Errorf("rendering the chart: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := c.copyTo(filepath.Join(dir, "chart")); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, renderTime)
	defer cancel()
	var out []byte
	for _, version := range clusters() {
		var refused bool
		if out, refused, err = template(ctx, helm, dir, version); !refused {
			break
		}
	}
	return out, err
}

// template runs Helm once. refused says that the chart is not for that version
// of Kubernetes.
func template(ctx context.Context, helm, dir, version string) (text []byte, refused bool, err error) {
	cmd := exec.CommandContext(ctx, helm, "template", "check", filepath.Join(dir, "chart"), "--namespace", "check", "--kube-version", version)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "HELM_CACHE_HOME=" + dir, "HELM_CONFIG_HOME=" + dir, "HELM_DATA_HOME=" + dir, "HELM_PLUGINS=" + dir,
		"KUBECONFIG=" + filepath.Join(dir, "none"), "HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
	}
	cmd.WaitDelay = time.Second
	out, why := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = out, why
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return nil, false, fmt.Errorf("rendering the chart: %w", ctx.Err())
	case err != nil:
		return nil, strings.Contains(why.String(), "chart requires kubeVersion"), fmt.Errorf("rendering the chart: %w: %.300s", err, strings.Join(strings.Fields(why.String()), " "))
	case out.over:
		return nil, false, fmt.Errorf("rendering the chart: it makes more than %d bytes", maxOutput)
	}
	return out.Bytes(), false, nil
}

func (c *Chart) copyTo(dir string) error {
	for _, name := range c.tree.Under(c.folder) {
		data, err := c.tree.Read(name)
		if errors.Is(err, tree.ErrBinary) {
			continue
		}
		if err != nil {
			return fmt.Errorf("copying the chart: %w", err)
		}
		rel := name
		if c.folder != "." {
			rel = strings.TrimPrefix(name, c.folder+"/")
		}
		at := filepath.Join(dir, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return fmt.Errorf("copying the chart: %w", err)
		}
		if err := os.WriteFile(at, data, 0o600); err != nil {
			return fmt.Errorf("copying the chart: %w", err)
		}
	}
	return nil
}

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	over bool
}

// Write takes everything and keeps what fits.
func (b *bounded) Write(p []byte) (int, error) {
	room := maxOutput - b.Len()
	if len(p) > room {
		b.over = true
		b.Buffer.Write(p[:max(0, room)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
