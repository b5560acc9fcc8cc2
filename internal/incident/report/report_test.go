package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

var update = flag.Bool("update", false, "write the golden files")

func at(minutes int) time.Time {
	return time.Date(2026, 11, 22, 8, minutes, 0, 0, time.UTC)
}

func whole() *Data {
	entry := func(minutes int, who string, kind casebook.Kind, text string) casebook.Entry {
		return casebook.Entry{ID: "x", At: at(minutes), Actor: who, Kind: kind, Text: text, Events: []string{"019aa9c1-0000"}}
	}
	held := containment.Containment{
		Subject: containment.Subject{Kind: containment.KindCredential, ID: "k1"}, Measure: containment.Block, By: "local:root",
		At: at(2), Until: at(2).Add(24 * time.Hour), Reason: "playbook stolen-key",
	}
	over := held
	over.Subject, over.EndedAt, over.EndedBy = containment.Subject{Kind: containment.KindRoute, Route: "files"}, at(50), "alice"
	return &Data{
		Incident: casebook.Incident{
			ID: "019aa9c1-7d5b", Rule: "hand", Summary: "a key | was <stolen>", Severity: casebook.P1, Phase: casebook.Recover, Owner: "alice",
			Subjects: []string{"key:k1"}, OpenedAt: at(0), SeenAt: at(50), Score: 90,
		},
		Timeline: []casebook.Entry{
			entry(0, "local:root", casebook.KindPhase, "detect"), entry(2, "local:root", casebook.KindPhase, "contain"),
			entry(2, "local:root", casebook.KindAction, "contain key:k1 block: playbook stolen-key"),
			entry(4, "bob", casebook.KindNote, "the key was in a ticket\n# and here a heading"),
			entry(10, "local:root", casebook.KindPhase, "preserve"), entry(11, "local:root", casebook.KindEvidence, "evidence.tar sha256:abc"),
			entry(20, "local:root", casebook.KindPhase, "eradicate"), entry(45, "local:root", casebook.KindPhase, "recover"),
		},
		Contacts:     []Contact{{"Ana Novak", "Security Lead", "security@example.com, channel on-call"}},
		Containments: []containment.Containment{held, over},
		Runs: []playbook.Run{{Playbook: "stolen-key", State: playbook.Incomplete, By: "local:root", StartedAt: at(2), Steps: []playbook.StepRun{
			{Name: "hold", Action: "contain", State: playbook.StepDone, Notes: []string{"key:k1 is held"}},
			{Name: "end sessions", Action: "revoke-sessions", State: playbook.StepMissing, Error: "there is no action \"revoke-sessions\" here"},
		}}},
		Affected: Affected{
			From: at(0).Add(-24 * time.Hour), To: at(55), Events: 1240, Refused: 31, Types: []Count{{"CALL_FINISHED", 1200}, {"CONTAINED_CALL_REFUSED", 31}},
			Callers: []Count{{"key:k1", 1240}}, Routes: []Count{{"files", 1240}}, Tools: []Count{{"read_file", 1100}, {"list|all", 140}},
		},
		Made: at(55), Version: "1.2.3",
	}
}

func golden(t *testing.T, name string, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written now (run with -update):\n%s", file, got)
	}
}

func TestGolden(t *testing.T) {
	d := whole()
	if m := Missing(d); len(m) != 0 {
		t.Errorf("a whole report lacks %v", m)
	}
	golden(t, "whole.golden.md", Markdown(d))
	bare := &Data{Incident: casebook.Incident{ID: "i", Rule: "risk", Summary: "odd", Severity: casebook.P3, Phase: casebook.Detect, OpenedAt: at(0), ClosedAt: at(9), ClosedBy: "bob", Note: "nothing"}, Made: at(10), Version: "1.2.3"}
	if m := Missing(bare); len(m) != 5 {
		t.Errorf("a bare one lacks %v", m)
	}
	golden(t, "bare.golden.md", Markdown(bare))
}

// TestSpans: phases follow each other without a gap, and make up the whole.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now, first := at(0), at(0)
		var list []casebook.Entry
		for range rapid.IntRange(1, 20).Draw(rt, "entries") {
			kind := rapid.SampledFrom([]casebook.Kind{casebook.KindPhase, casebook.KindNote}).Draw(rt, "kind")
			if len(list) == 0 {
				kind = casebook.KindPhase
			}
			list = append(list, casebook.Entry{At: now, Kind: kind, Text: "contain"})
			now = now.Add(time.Duration(rapid.IntRange(0, 1e6).Draw(rt, "ms")) * time.Millisecond)
		}
		var sum time.Duration
		for _, s := range Spans(list, now) {
			if s.Took < 0 {
				rt.Fatalf("%+v", s)
			}
			sum += s.Took
		}
		if sum != now.Sub(first) {
			rt.Fatalf("%s of %s", sum, now.Sub(first))
		}
	})
}

// FuzzPlain: whatever a caller chose stays one cell of one line, without HTML.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"a|b", "<script>", "[x](javascript:1)", "`code`", "a\nb", "\\|", "\x00\xff", "&lt;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Plain(s)
		if strings.ContainsAny(got, "\n\r<>\x00") {
			t.Fatalf("%q becomes %q", s, got)
		}
		for i := 0; i < len(got); i++ {
			if got[i] == '\\' {
				i++ // what stands behind it is text
			} else if strings.IndexByte("|`[]*_#", got[i]) >= 0 {
				t.Fatalf("%q becomes %q", s, got)
			}
		}
	})
}
