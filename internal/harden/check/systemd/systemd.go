// Package systemd judges unit files of services: what a service may see, change
// and call when somebody gets into it.
package systemd

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// File is the unit file of a service.
type File struct {
	path     string
	data     []byte
	settings []setting
	header   int      // line of [Service], 0 where there is none
	others   []string // drop-ins that were read behind it
}

// behind is what lines of drop-ins have on top, once for each before them: a
// file has fewer lines than that.
const behind = tree.MaxFile + 1

type setting struct {
	section, name, value string
	line                 int
}

// maxSettings bounds a unit file.
const maxSettings = 5000

// Find returns the unit files of services of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool { return f.Ext() == ".service" })
}

// Load reads a unit file.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	f, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	// systemd reads these behind the unit, in the order of their names.
	for _, other := range t.Under(name + ".d") {
		if path.Ext(other) != ".conf" || path.Dir(other) != name+".d" {
			continue
		}
		data, err := t.Read(other)
		if err != nil {
			return nil, err
		}
		in := &File{path: other}
		if err := in.read(data); err != nil {
			return nil, err
		}
		f.others = append(f.others, other)
		for _, s := range in.settings {
			s.line += len(f.others) * behind
			f.settings = append(f.settings, s)
		}
	}
	return f, nil
}

func parse(name string, data []byte) (*File, error) {
	f := &File{path: name, data: data}
	if err := f.read(data); err != nil {
		return nil, err
	}
	if f.header == 0 {
		return nil, fmt.Errorf("%s:1: has no [Service]", name)
	}
	return f, nil
}

func (f *File) read(data []byte) error {
	name := f.path
	section, joined, begin := "", "", 0
	for i, raw := range strings.Split(string(data), "\n") {
		line := strings.TrimSpace(raw)
		if joined == "" {
			begin = i + 1
		}
		if line == "" && joined == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			joined += rest + " "
			continue
		}
		line, joined = strings.TrimSpace(joined+line), ""
		if strings.HasPrefix(line, "[") {
			if !strings.HasSuffix(line, "]") {
				return fmt.Errorf("%s:%d: a section does not end", name, begin)
			}
			section = line[1 : len(line)-1]
			if section == "Service" && f.header == 0 {
				f.header = begin
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section == "" {
			return fmt.Errorf("%s:%d: want a section, or NAME=VALUE in one", name, begin)
		}
		if len(f.settings) == maxSettings {
			return fmt.Errorf("%s:%d: holds more than %d settings", name, begin, maxSettings)
		}
		f.settings = append(f.settings, setting{section, strings.TrimSpace(key), strings.TrimSpace(value), begin})
	}
	if joined != "" {
		return fmt.Errorf("%s:%d: a line goes on behind the end", name, begin)
	}
	return nil
}

// last returns the value that counts: the last one.
func (f *File) last(name string) (setting, bool) {
	for i := len(f.settings) - 1; i >= 0; i-- {
		if s := f.settings[i]; s.section == "Service" && s.name == name {
			return s, true
		}
	}
	return setting{line: f.header}, false
}

func (f *File) at(line int, message string) []rule.Finding {
	file := f.path
	if n := line / behind; n > 0 {
		file, line = f.others[n-1], line%behind
	}
	return []rule.Finding{{Message: message, File: file, Line: max(1, line)}}
}

func yes(value string) bool {
	switch strings.ToLower(value) {
	case "yes", "true", "on", "1":
		return true
	}
	return false
}

// set returns the change that gives a setting a value: in place of the one that
// counts, or below [Service].
func (f *File) set(name, value string) []rule.Edit {
	ending := "\n"
	if bytes.Contains(f.data, []byte("\r\n")) {
		ending = "\r\n"
	}
	line := name + "=" + value + ending
	if s, ok := f.last(name); ok {
		if s.line >= behind { // a drop-in says it, and is changed by who wrote it
			return nil
		}
		start := tree.Offset(f.data, s.line)
		text, _, _ := bytes.Cut(f.data[start:], []byte("\n"))
		if bytes.HasSuffix(bytes.TrimSpace(text), []byte(`\`)) || !bytes.HasPrefix(bytes.TrimSpace(text), []byte(name)) {
			return nil
		}
		return []rule.Edit{{File: f.path, Start: start, End: min(start+len(text)+1, len(f.data)), Text: line}}
	}
	start := tree.Offset(f.data, f.header+1)
	if start == len(f.data) && !bytes.HasSuffix(f.data, []byte("\n")) {
		line = ending + line
	}
	return []rule.Edit{{File: f.path, Start: start, End: start, Text: line}}
}
