package compose

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// File is a Compose file.
type File struct {
	path     string
	data     []byte
	doc      *yamltree.Node
	services []service
}

type service struct {
	name string
	*yamltree.Node
	volumes *yamltree.Node // of the whole file
}

// Find returns the Compose files of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		if ext := f.Ext(); ext != ".yml" && ext != ".yaml" {
			return false
		}
		base := strings.ToLower(f.Base())
		for _, name := range [...]string{"compose", "docker-compose", "podman-compose"} {
			if rest, ok := strings.CutPrefix(base, name); ok && strings.IndexByte(".-_", rest[0]) >= 0 {
				return true
			}
		}
		return false
	})
}

// Load reads a Compose file.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data)
}

func parse(name string, data []byte) (*File, error) {
	docs, err := yamltree.Stream(name, data)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || !docs[0].IsTable() {
		return nil, fmt.Errorf("%s:1: want one table with services", name)
	}
	f := &File{path: name, data: data, doc: docs[0]}
	services := f.doc.Get("services")
	if !services.IsTable() {
		return nil, fmt.Errorf("%s:1: has no services", name)
	}
	for _, s := range services.Names() {
		n := services.Get(s)
		if !n.IsTable() {
			return nil, fmt.Errorf("%s:%d: the service %s is no table", name, n.Line, s)
		}
		f.services = append(f.services, service{s, n, f.doc.Get("volumes")})
	}
	return f, nil
}

// elsewhere is for rules about what a service does not say: one that extends
// another may have it from there.
var errElsewhere = errors.New("a service extends another one, which may say it")

func (s service) at(f *File, message string, nodes ...*yamltree.Node) rule.Finding {
	out := rule.Finding{Message: s.name + ": " + message, File: f.path, Line: yamltree.At(append(nodes, s.Node)...)}
	for _, n := range nodes {
		if n != nil {
			out.Pointer = n.Path
			break
		}
	}
	return out
}

// pairs returns the names and values of a table, or of a list of NAME=VALUE.
func pairs(n *yamltree.Node) (out []pair) {
	for _, name := range n.Names() {
		v := n.Get(name)
		out = append(out, pair{name, v.Value(), v})
	}
	for _, item := range n.List() {
		name, value, _ := strings.Cut(item.Value(), "=")
		out = append(out, pair{name, value, item})
	}
	return out
}

type pair struct {
	name, value string
	node        *yamltree.Node
}

// port is a port that is published.
type port struct {
	address, target string
	node            *yamltree.Node
	short           bool
}

func (s service) ports() (out []port) {
	for _, n := range s.Get("ports").List() {
		if n.IsTable() {
			out = append(out, port{address: n.Get("host_ip").Value(), target: n.Get("target").Value(), node: n})
			continue
		}
		text, _, _ := strings.Cut(n.Value(), "/")
		p := port{node: n, short: true}
		if end := strings.LastIndexByte(text, ']'); end >= 0 { // [::1]:80:80
			p.address, text = text[:end+1], strings.TrimPrefix(text[end+1:], ":")
			p.target = text[strings.LastIndexByte(text, ':')+1:]
		} else {
			parts := strings.Split(text, ":")
			p.target = parts[len(parts)-1]
			if len(parts) > 2 {
				p.address = strings.Join(parts[:len(parts)-2], ":")
			}
		}
		out = append(out, p)
	}
	return out
}

// loopback reports whether an address is reached from this host only.
func loopback(address string) bool {
	a := strings.Trim(address, "[]")
	return strings.HasPrefix(a, "127.") || a == "::1" || a == "localhost"
}

// mount is a folder or file of the host.
type mount struct {
	source   string
	readOnly bool
	node     *yamltree.Node
}

// device returns the folder of the host that a named volume is.
func (s service) device(volume string) (string, bool) {
	o := s.volumes.Get(volume, "driver_opts")
	device := o.Get("device").Value()
	return device, strings.HasPrefix(device, "/") && strings.Contains(o.Get("o").Value(), "bind")
}

func (s service) mounts() (out []mount) {
	for _, n := range s.Get("volumes").List() {
		if n.IsTable() {
			if n.Get("type").Value() == "bind" {
				out = append(out, mount{n.Get("source").Value(), n.Get("read_only").True(), n})
			} else if device, ok := s.device(n.Get("source").Value()); ok {
				out = append(out, mount{device, n.Get("read_only").True(), n})
			}
			continue
		}
		parts := strings.Split(n.Value(), ":")
		if device, ok := s.device(parts[0]); ok {
			parts[0] = device
		}
		if len(parts) < 2 || !strings.HasPrefix(parts[0], "/") && !strings.HasPrefix(parts[0], ".") && !strings.HasPrefix(parts[0], "~") {
			continue
		}
		ro := false
		for _, o := range strings.Split(parts[len(parts)-1], ",") {
			ro = ro || len(parts) > 2 && o == "ro"
		}
		out = append(out, mount{parts[0], ro, n})
	}
	return out
}

// sensitive reports whether a path of the host gives the host away.
func sensitive(source string) bool {
	if strings.HasPrefix(source, "~") || strings.HasPrefix(source, "${HOME}") || strings.HasPrefix(source, "$HOME") {
		return true
	}
	clean := path.Clean(source)
	for _, p := range [...]string{"/etc", "/root", "/home", "/boot", "/dev", "/proc", "/sys", "/var/lib/docker", "/var/lib/kubelet", "/usr", "/lib", "/bin", "/sbin"} {
		if clean == p || strings.HasPrefix(clean, p+"/") {
			return clean != "/etc/localtime" && clean != "/etc/timezone" && !strings.HasPrefix(clean, "/home/") && !strings.HasPrefix(clean, "/etc/ssl/certs")
		}
	}
	return clean == "/" || clean == "/var" || clean == "/var/run" || clean == "/run"
}
