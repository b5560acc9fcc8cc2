package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// Bounds of a list that is read.
const (
	maxComponents = 200_000
	maxNesting    = 64
)

// List is a list that was read.
type List struct {
	Path       string
	Format     string // "CycloneDX" or "SPDX"
	Components []Component
	Nameless   int // components that no database can be asked about, and that are no part of the project
}

// cycloneDX and spdxDocument are the members that are read. The lists of
// strangers are not given to the libraries that write ours: these would do as
// much work as the list asks for.
type (
	cycloneDX struct {
		Format     string     `json:"bomFormat"`
		Version    string     `json:"specVersion"`
		Components []cdxEntry `json:"components"`
	}
	cdxEntry struct {
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		URL        string     `json:"purl"`
		Components []cdxEntry `json:"components"`
	}
	spdxDocument struct {
		Version  string `json:"spdxVersion"`
		Packages []struct {
			Name       string `json:"name"`
			ID         string `json:"SPDXID"`
			References []struct {
				Type    string `json:"referenceType"`
				Locator string `json:"referenceLocator"`
			} `json:"externalRefs"`
		} `json:"packages"`
		Describes     []string `json:"documentDescribes"`
		Relationships []struct {
			From string `json:"spdxElementId"`
			Kind string `json:"relationshipType"`
			To   string `json:"relatedSpdxElement"`
		} `json:"relationships"`
	}
)

var errNoList = errors.New("is no SBOM: want CycloneDX or SPDX 2 in JSON")

// Is reports whether a text looks like a list.
func Is(data []byte) bool {
	return bytes.Contains(data, []byte(`"bomFormat"`)) || bytes.Contains(data, []byte(`"spdxVersion"`))
}

// Read reads a list.
func Read(name string, data []byte) (*List, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	l := &List{Path: name}
	var err error
	switch {
	case bytes.Contains(data, []byte(`"bomFormat"`)):
		err = l.cycloneDX(data)
	case bytes.Contains(data, []byte(`"spdxVersion"`)):
		err = l.spdx(data)
	default:
		err = errNoList
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

func (l *List) cycloneDX(data []byte) error {
	var doc cycloneDX
	if err := json.Unmarshal(data, &doc); err != nil || doc.Format != "CycloneDX" {
		return errNoList
	}
	l.Format = "CycloneDX"
	return l.components(doc.Components, 0)
}

func (l *List) components(list []cdxEntry, depth int) error {
	if depth > maxNesting {
		return errors.New("is nested too deep")
	}
	for _, e := range list {
		if err := l.add(e.Name, e.URL, e.Type == "library" || e.Type == "framework"); err != nil {
			return err
		}
		if err := l.components(e.Components, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (l *List) add(name, url string, library bool) error {
	if len(l.Components) == maxComponents {
		return fmt.Errorf("holds more than %d components", maxComponents)
	}
	c := Component{Name: name, URL: url, Library: library}
	if url == "" {
		if library {
			l.Nameless++
		}
		return nil
	}
	if err := c.parseURL(); err != nil {
		return err
	}
	if c.Ecosystem != "" && c.Version == "" {
		l.Nameless++
	}
	l.Components = append(l.Components, c)
	return nil
}

func (l *List) spdx(data []byte) error {
	var doc spdxDocument
	if err := json.Unmarshal(data, &doc); err != nil || !strings.HasPrefix(doc.Version, "SPDX-2.") {
		return errNoList
	}
	l.Format = "SPDX"
	own := map[string]bool{} // what the list is about
	for _, id := range doc.Describes {
		own[id] = true
	}
	for _, r := range doc.Relationships {
		if r.Kind == "DESCRIBES" && r.From == "SPDXRef-DOCUMENT" {
			own[r.To] = true
		}
	}
	for _, p := range doc.Packages {
		url := ""
		for _, r := range p.References {
			if r.Type == "purl" {
				url = r.Locator
			}
		}
		if err := l.add(p.Name, url, !own[p.ID]); err != nil {
			return err
		}
	}
	return nil
}
