package host

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Places say where the gateway's files are.
type Places struct {
	Root    string // of the machine: "/"
	System  string // runtime.GOOS
	Files   []File // with Path and What; what is not there is left out
	Program string // name of the program: "portcullis"
}

const maxText = 1 << 20

// Observe reads the machine.
func Observe(p Places) *Machine {
	m := &Machine{System: p.System, Kernel: map[string]string{}}
	if p.System != "linux" {
		return m
	}
	for _, f := range p.Files {
		info, err := os.Stat(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			m.Unread = append(m.Unread, f.Path)
		default:
			f.Mode, f.UID = info.Mode().Perm(), ownerOf(info)
			m.Files = append(m.Files, f)
		}
	}
	r := reader{p.Root}
	for _, name := range []string{"fs.suid_dumpable", "kernel.yama.ptrace_scope", "kernel.randomize_va_space", "fs.protected_symlinks"} {
		if text, err := r.text(path.Join("proc/sys", strings.ReplaceAll(name, ".", "/"))); err == nil {
			m.Kernel[name] = strings.TrimSpace(text)
		}
	}
	m.Swaps, m.Listeners = r.swaps(), r.listeners()
	m.Processes = r.processes(p.Program)
	m.Units = r.units(p.Program)
	for _, name := range []string{"var/run/docker.sock", "run/docker.sock", "run/podman/podman.sock"} {
		if info, err := os.Stat(r.at(name)); err == nil && m.Docker == nil {
			m.Docker = &File{Path: "/" + name, What: "socket", Mode: info.Mode().Perm(), UID: ownerOf(info)}
		}
	}
	for _, name := range []string{"run/reboot-required", "var/run/reboot-required"} {
		if _, err := os.Stat(r.at(name)); err == nil {
			m.Restart = true
		}
	}
	return m
}

// reader reads files below a root.
type reader struct{ root string }

func (r reader) at(name string) string { return filepath.Join(r.root, filepath.FromSlash(name)) }

func (r reader) text(name string) (string, error) {
	f, err := os.Open(r.at(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText))
	return string(data), err
}

// swaps reads /proc/swaps. A device of the device mapper counts as encrypted if
// its name or its uuid says so, as cryptsetup makes them.
func (r reader) swaps() *[]Swap {
	text, err := r.text("proc/swaps")
	if err != nil {
		return nil
	}
	out := []Swap{}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "\t")
		if i == 0 || name == "" {
			continue
		}
		out = append(out, Swap{Name: name, Encrypted: r.encrypted(name)})
	}
	return &out
}

func (r reader) encrypted(device string) bool {
	base := path.Base(device)
	if strings.HasPrefix(base, "zram") {
		return true
	}
	uuid, err := r.text("sys/block/" + base + "/dm/uuid")
	return err == nil && strings.HasPrefix(uuid, "CRYPT-")
}

// listeners reads /proc/net/tcp and tcp6.
func (r reader) listeners() *[]Listener {
	var out []Listener
	read := false
	for _, name := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		text, err := r.text(name)
		if err != nil {
			continue
		}
		read = true
		for line := range strings.SplitSeq(text, "\n") {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" { // TCP_LISTEN
				continue
			}
			if l, err := parseListener(f[1]); err == nil && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	if !read {
		return nil
	}
	return &out
}

// parseListener reads "0100007F:1F90": words of an address in the byte order of
// a little-endian machine, and a port.
func parseListener(s string) (Listener, error) {
	words, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	raw, herr := hex.DecodeString(words)
	if !ok || err != nil || herr != nil || len(raw) != 4 && len(raw) != 16 {
		return Listener{}, fmt.Errorf("%q is no socket", s)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return Listener{Address: addr.String(), Port: int(n)}, nil
}

// processes finds those that run the gateway. One that ends meanwhile is left
// out.
func (r reader) processes(program string) []Process {
	entries, err := os.ReadDir(r.at("proc"))
	if err != nil {
		return nil
	}
	var out []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		args, err := r.text("proc/" + e.Name() + "/cmdline")
		if err != nil || !serves(strings.Split(args, "\x00"), program) {
			continue
		}
		p := Process{PID: pid, UID: -1}
		if status, err := r.text("proc/" + e.Name() + "/status"); err == nil {
			if f := strings.Fields(valueOf(status, "Uid:")); len(f) > 1 {
				if uid, err := strconv.Atoi(f[1]); err == nil { // the effective one
					p.UID = uid
				}
			}
		}
		if limits, err := r.text("proc/" + e.Name() + "/limits"); err == nil {
			if f := strings.Fields(valueOf(limits, "Max core file size")); len(f) > 0 {
				p.CoreLimit = f[0]
			}
		}
		out = append(out, p)
	}
	return out
}

// serves reports whether a command line runs the gateway, not another verb.
func serves(args []string, program string) bool {
	return len(args) > 1 && path.Base(args[0]) == program && slices.ContainsFunc(args[1:], func(a string) bool { return a == "serve" || a == "demo" })
}

func valueOf(text, name string) string {
	s := bufio.NewScanner(strings.NewReader(text))
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), name); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// units reads the unit files of the gateway, with their drop-ins.
func (r reader) units(program string) []Unit {
	var out []Unit
	for _, dir := range []string{"etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"} {
		names, err := filepath.Glob(filepath.Join(r.at(dir), program+"*.service"))
		if err != nil {
			continue
		}
		for _, name := range names {
			base := filepath.Base(name)
			if slices.ContainsFunc(out, func(u Unit) bool { return path.Base(u.Path) == base }) {
				continue // /etc wins
			}
			u := Unit{Path: "/" + path.Join(dir, base), Service: map[string]string{}}
			parts := []string{path.Join(dir, base)}
			for _, over := range []string{"usr/lib/systemd/system", "etc/systemd/system"} {
				ins, _ := filepath.Glob(filepath.Join(r.at(over), base+".d", "*.conf")) // the pattern is ours and good
				for _, in := range ins {
					parts = append(parts, path.Join(over, base+".d", filepath.Base(in)))
				}
			}
			for _, part := range parts {
				if text, err := r.text(part); err == nil {
					directives(u.Service, text)
				}
			}
			out = append(out, u)
		}
	}
	return out
}

// directives reads the section [Service] of a unit file.
func directives(into map[string]string, text string) {
	section := ""
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = line
		case section == "[Service]":
			if name, value, ok := strings.Cut(line, "="); ok {
				into[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	}
}
