package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

var made = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// good is a gateway of which all is well.
func good() *Facts {
	f := &Facts{
		Serving: true, Routes: 1, Purposes: 1, Consents: 3, PurposeNeeded: true, Encrypted: true, AdminLocal: true, Sealed: true, Refusing: true,
		Retention:     map[string]time.Duration{"access": 90 * day, "security": year, "audit": 7 * year},
		SignedRecords: 7, Witnesses: 1, Sinks: 1, AlertChannels: 1, Policies: true, SealedValues: 3,
		Records: map[portcullis.EventType]Record{},
	}
	f.Add(Route{Name: "a", Limited: true, Read: true, Pinned: true, Consent: true, PHI: true, Fields: true})
	for _, fw := range Frameworks() {
		for i, t := range Types(fw) {
			f.Records[t] = Record{Type: string(t), ID: "id", Time: made, Sequence: uint64(i), Count: 1, Proof: "proof <b>"}
		}
	}
	return f
}

func states(r Report) map[string]State {
	out := map[string]State{}
	for _, c := range r.Controls {
		out[c.ID] = c.State
	}
	return out
}

// TestRegistry: ids are unique, and every control says where it comes from and
// what fulfils it.
func TestRegistry(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Frameworks() {
		if len(registry(f)) < 10 {
			t.Errorf("%s has %d controls", f, len(registry(f)))
		}
		for _, c := range registry(f) {
			if seen[c.id] || c.ref == "" || c.title == "" || c.means == "" || !strings.HasPrefix(c.id, string(f)+"-") || !Known(c.id) {
				t.Errorf("control %+v", c)
			}
			seen[c.id] = true
		}
	}
	if Known("gdpr-art-99") || Known("") || len(registry("iso")) > 0 {
		t.Error("controls that nobody wrote are known")
	}
}

// TestNothingIsClaimed: without a running gateway nothing is in place, and what
// a gateway cannot see never is.
func TestNothingIsClaimed(t *testing.T) {
	for _, f := range Frameworks() {
		for _, c := range Make(f, &Facts{}, nil, "test", made).Controls {
			if c.State != NotObserved || len(c.Observed) == 0 {
				t.Errorf("%s without a gateway: %s %q", c.ID, c.State, c.Observed)
			}
		}
		for i, c := range Make(f, good(), nil, "test", made).Controls {
			if registry(f)[i].judge == nil && c.State != NotObserved {
				t.Errorf("%s, which nobody sees: %s", c.ID, c.State)
			}
			if registry(f)[i].judge != nil && c.State != InPlace && c.State != Partly {
				t.Errorf("%s of a good gateway: %s %q", c.ID, c.State, c.Observed)
			}
		}
		bad := &Facts{Serving: true, Routes: 1}
		bad.Add(Route{Name: "open", Anonymous: true, Plain: true})
		for _, c := range Make(f, bad, nil, "test", made).Controls {
			if c.State == InPlace {
				t.Errorf("%s of a bad gateway is in place: %q", c.ID, c.Observed)
			}
		}
	}
}

// TestOneFactChangesAState: what a state rests on is what it says.
func TestOneFactChangesAState(t *testing.T) {
	for _, c := range []struct {
		id     string
		f      Framework
		change func(*Facts)
		want   State
	}{
		{"gdpr-art-5", GDPR, func(f *Facts) { f.Sealed = false }, Partly},
		{"gdpr-art-7", GDPR, func(f *Facts) { f.ConsentRoutes = nil }, NotInPlace},
		{"soc2-cc6.1", SOC2, func(f *Facts) { f.Anonymous = []string{"x"} }, Partly},
		{"hipaa-164.312-b", HIPAA, func(f *Facts) { f.PurposeNeeded = false }, Partly},
		{"hipaa-164.316-b", HIPAA, func(f *Facts) { f.Retention["audit"] = year }, NotInPlace},
		{"soc2-cc6.2", SOC2, func(f *Facts) { delete(f.Records, portcullis.EventAPIKeyCreated) }, NotObserved},
	} {
		f := good()
		if got := states(Make(c.f, f, nil, "test", made))[c.id]; got != InPlace {
			t.Errorf("%s: %s before", c.id, got)
		}
		c.change(f)
		if got := states(Make(c.f, f, nil, "test", made))[c.id]; got != c.want {
			t.Errorf("%s: %s, want %s", c.id, got, c.want)
		}
	}
}

// TestAttested: the word of a person fills what nobody sees, and talks nothing
// away.
func TestAttested(t *testing.T) {
	f := good()
	f.ConsentRoutes = nil
	word := Attestation{Owner: "dpo", Date: "2026-01-31"}
	r := Make(GDPR, f, map[string]Attestation{"gdpr-art-30": word, "gdpr-art-7": word}, "test", made)
	if s := states(r); s["gdpr-art-30"] != Attested || s["gdpr-art-7"] != NotInPlace {
		t.Errorf("%v", s)
	}
	for _, c := range r.Controls {
		if (c.ID == "gdpr-art-30" || c.ID == "gdpr-art-7") && (c.Attested == nil || *c.Attested != word) {
			t.Errorf("%s: %+v", c.ID, c.Attested)
		}
	}
	if r.Summary[Attested] != 1 {
		t.Errorf("%v", r.Summary)
	}
}

// TestHTML reads the page as strictly as XML is read: it is whole, has one
// language and one first heading, leaves no heading out, names the head cells of
// its tables, refers to what is there, and loads and runs nothing.
func TestHTML(t *testing.T) {
	for _, f := range Frameworks() {
		r := Make(f, good(), map[string]Attestation{"gdpr-art-30": {Owner: "<script>alert(1)</script>", Date: "2026-01-31", Note: `"quoted" & <b>`}}, "<v>", made)
		r.Checkpoint, r.LogKey = "origin\n7\nroot\n", "key+<1>"
		var page bytes.Buffer
		if err := r.HTML(&page); err != nil {
			t.Fatal(err)
		}
		ids, refs := map[string]bool{}, []string{}
		level, firsts, lang, title := 0, 0, "", false
		d := xml.NewDecoder(bytes.NewReader(page.Bytes()))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			attr := map[string]string{}
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
			}
			switch name := e.Name.Local; name {
			case "html":
				lang = attr["lang"]
			case "title":
				title = true
			case "script", "link", "img", "iframe", "object", "form", "base":
				t.Errorf("%s: <%s>", f, name)
			case "h1", "h2", "h3", "h4":
				n := int(name[1] - '0')
				if n == 1 {
					firsts++
				}
				if n > level+1 {
					t.Errorf("%s: %s behind h%d", f, name, level)
				}
				level = n
			case "th":
				if attr["scope"] != "col" && attr["scope"] != "row" {
					t.Errorf("%s: a head cell without scope", f)
				}
			}
			for name, value := range attr {
				switch {
				case strings.HasPrefix(name, "on"), name == "src", name == "style":
					t.Errorf("%s: attribute %s", f, name)
				case name == "href" && !strings.HasPrefix(value, "#"):
					t.Errorf("%s: a link to %s", f, value)
				case name == "href":
					refs = append(refs, value[1:])
				case name == "aria-labelledby":
					refs = append(refs, value)
				case name == "id" && ids[value]:
					t.Errorf("%s: id %s twice", f, value)
				case name == "id":
					ids[value] = true
				}
			}
		}
		if lang != "en" || firsts != 1 || !title || len(ids) < 10 {
			t.Errorf("%s: lang %q, %d first headings, title %t, %d ids", f, lang, firsts, title, len(ids))
		}
		for _, ref := range refs {
			if !ids[ref] {
				t.Errorf("%s: nothing has the id %s", f, ref)
			}
		}
		if text := page.String(); strings.Contains(text, "@import") || strings.Contains(text, "url(") || strings.Contains(text, "<script") {
			t.Errorf("%s: the page loads something", f)
		}
	}
}

// TestContrast: text is read on every background (WCAG 2.2, 1.4.3).
func TestContrast(t *testing.T) {
	lum := func(hex string) float64 {
		var v [3]float64
		for i := range v {
			n := strings.IndexByte("0123456789abcdef", hex[1+2*i])*16 + strings.IndexByte("0123456789abcdef", hex[2+2*i])
			x := float64(n) / 255
			v[i] = x * x // near enough, and darker than the true curve nowhere that matters
		}
		return 0.2126*v[0] + 0.7152*v[1] + 0.0722*v[2]
	}
	var colors []string
	for _, line := range strings.Split(page, "\n") {
		if _, rest, ok := strings.Cut(line, "background: #"); ok {
			colors = append(colors, "#"+rest[:6])
		}
	}
	if len(colors) < 5 || !slices.Contains(colors, "#ffffff") {
		t.Fatalf("backgrounds %v", colors)
	}
	for _, text := range []string{"#1a1a1a", "#003e8a"} {
		for _, c := range colors {
			if ratio := (lum(c) + 0.05) / (lum(text) + 0.05); ratio < 4.5 {
				t.Errorf("%s on %s: %.1f", text, c, ratio)
			}
		}
	}
}
