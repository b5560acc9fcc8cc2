package compose

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
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
	hidden   error // what is read along with it, and was not looked at
	unsure   error // of the rule that is looking: see doubt
}

type service struct {
	name string
	*yamltree.Node
	volumes *yamltree.Node // of the whole file
}

// Find returns the Compose files of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(named)
}

// named reports whether a file has the name of a Compose file.
func named(f tree.File) bool {
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
}

// Load reads a Compose file.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	f, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	f.hidden = errors.Join(f.hidden, f.included(t))
	return f, nil
}

func parse(name string, data []byte) (*File, error) {
	docs, err := yamltree.Stream(name, data)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || !docs[0].IsTable() {
		return nil, fmt.Errorf("%s:1: want one table with services", name)
	}
	docs[0].Fill(fill)
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
	f.hidden = f.extended()
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

// database reports whether the port, or one of the range, is that of a database.
func (p port) database() bool {
	first, last, ranged := strings.Cut(p.target, "-")
	if !ranged {
		last = first
	}
	from, err := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err != nil || err2 != nil {
		return false
	}
	for _, known := range [...]int{5432, 3306, 6379, 27017, 9200, 11211, 1433, 5984, 9042, 2379} {
		if from <= known && known <= to {
			return true
		}
	}
	return false
}

// loopback reports whether an address is reached from this host only.
func loopback(address string) bool {
	a := strings.Trim(address, "[]")
	return strings.HasPrefix(a, "127.") || a == "::1" || a == "localhost"
}

// mount is a folder or file of the host.
type mount struct {
	source   string
	target   string
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
				out = append(out, mount{n.Get("source").Value(), n.Get("target").Value(), truth(n.Get("read_only")), n})
			} else if device, ok := s.device(n.Get("source").Value()); ok {
				out = append(out, mount{device, n.Get("target").Value(), truth(n.Get("read_only")), n})
			}
			continue
		}
		parts := strings.Split(n.Value(), ":")
		if device, ok := s.device(parts[0]); ok {
			parts[0] = device
		}
		if len(parts) < 2 || !strings.HasPrefix(parts[0], "/") && strings.IndexByte(".~$", (parts[0] + " ")[0]) < 0 {
			continue
		}
		ro := false
		for _, o := range strings.Split(parts[len(parts)-1], ",") {
			ro = ro || len(parts) > 2 && o == "ro"
		}
		out = append(out, mount{parts[0], parts[1], ro, n})
	}
	return out
}

// sensitive reports whether a path of the host gives the host away.
func sensitive(source string) bool {
	if strings.HasPrefix(source, "~") || strings.HasPrefix(source, "${HOME}") || strings.HasPrefix(source, "$HOME") {
		return true
	}
	if rest, ok := strings.CutPrefix(source, "${PWD}"); ok {
		source = "." + rest
	}
	clean := path.Clean(source)
	for _, p := range [...]string{"/etc", "/root", "/home", "/boot", "/dev", "/proc", "/sys", "/var/lib/docker", "/var/lib/kubelet", "/usr", "/lib", "/bin", "/sbin"} {
		if clean == p || strings.HasPrefix(clean, p+"/") {
			return clean != "/etc/localtime" && clean != "/etc/timezone" && !strings.HasPrefix(clean, "/home/") && !strings.HasPrefix(clean, "/etc/ssl/certs")
		}
	}
	return clean == "/" || clean == "/var" || clean == "/var/run" || clean == "/run"
}
