package obs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Known is a metric that a registry can show, whether or not it has a series.
type Known struct {
	Name   string
	Help   string
	Labels []string
}

// Known lists the gateway's own metrics by name; those of the Go runtime and of
// the process are left out.
func (m *Metrics) Known() ([]Known, error) {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		m.registry.Describe(descs)
	}()
	var out []Known
	var err error
	for d := range descs { // to the end, or what describes would wait for good
		k, kerr := readDesc(d.String())
		if kerr != nil {
			err = kerr
		}
		if strings.HasPrefix(k.Name, namespace+"_") {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b Known) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// readDesc reads the text of a description, the only way it tells what it holds:
//
//	Desc{fqName: "a_total", help: "b", unit: "", constLabels: {}, variableLabels: {c,d}}
func readDesc(text string) (Known, error) {
	bad := fmt.Errorf("reading the description of a metric: %s", text)
	rest, ok := strings.CutPrefix(text, "Desc{fqName: ")
	if !ok {
		return Known{}, bad
	}
	var k Known
	for _, field := range []struct {
		into *string
		next string
	}{{&k.Name, ", help: "}, {&k.Help, ", unit: "}} {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return Known{}, bad
		}
		if *field.into, err = strconv.Unquote(quoted); err != nil {
			return Known{}, bad
		}
		if rest, ok = strings.CutPrefix(rest[len(quoted):], field.next); !ok {
			return Known{}, bad
		}
	}
	_, labels, ok := strings.Cut(rest, "variableLabels: {")
	if !ok {
		return Known{}, bad
	}
	labels = strings.TrimSuffix(labels, "}}")
	if labels != "" {
		k.Labels = strings.Split(labels, ",")
	}
	return k, nil
}
