package privacy

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/app/alerts"
	"github.com/portcullis-dev/portcullis/internal/app/consents"
	"github.com/portcullis-dev/portcullis/internal/app/detection"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/app/push"
	"github.com/portcullis-dev/portcullis/internal/app/respond"
	"github.com/portcullis-dev/portcullis/internal/app/retention"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

var update = flag.Bool("update", false, "write docs/data-map.md")

// places are all that a gateway knows.
func places() (out []subject.Place) {
	p := &Part{}
	for _, h := range []part.Holding{new(respond.Part), new(detection.Part), new(retention.Part), new(alerts.Part), new(consents.Part), new(push.Part)} {
		p.env.Holders = append(p.env.Holders, h.Holders()...)
	}
	for _, h := range p.allHolders() {
		out = append(out, h.Place)
	}
	return out
}

// TestDataMap makes docs/data-map.md from the places.
func TestDataMap(t *testing.T) {
	const path = "../../../docs/data-map.md"
	want := "# Data map\n\n<!-- Made from the sources by \"go test ./internal/app/privacy -update\". -->\n\n" +
		"What a gateway stores about persons: where, why, and how long. `portcullis privacy map` prints the same of the one that runs; [privacy](privacy.md) says how it is shown and erased.\n\n" +
		subject.Markdown(places())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/data-map.md is not current (-update rewrites it): %v", err)
	}
}

// TestPlacesSayAll: a place without a purpose or a retention is none to hold
// data in.
func TestPlacesSayAll(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range places() {
		for _, text := range []string{p.Name, p.Title, p.Where, p.Source, p.Purpose, p.Retention, p.Erasure, strings.Join(p.Data, "")} {
			if text == "" {
				t.Errorf("%+v says too little", p)
			}
		}
		if seen[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[p.Name] = true
	}
}
