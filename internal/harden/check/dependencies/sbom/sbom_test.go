package sbom

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

func packages() []lockfile.Package {
	return []lockfile.Package{
		{Ecosystem: lockfile.NPM, Name: "@scope/name", Version: "1.0.0", Hash: "sha512-" + strings.Repeat("A", 86) + "=="},
		{Ecosystem: lockfile.NPM, Name: "g", Version: "1.0.0", Source: lockfile.Git, From: "https://github.com/x/g.git", Commit: strings.Repeat("a", 40)},
		{Ecosystem: lockfile.Go, Name: "github.com/a/b/v2", Version: "v2.0.0+incompatible", Hash: "h1:x="},
		{Ecosystem: lockfile.Go, Name: lockfile.Standard, Version: "v1.26.8"},
		{Ecosystem: lockfile.PyPI, Name: "zope-interface", Version: "5.0", Hash: "sha256:" + strings.Repeat("ab", 32)},
		{Ecosystem: lockfile.Cargo, Name: "serde", Version: "1.0.0", Hash: strings.Repeat("cd", 32)},
		{Ecosystem: lockfile.Cargo, Name: "serde", Version: "1.0.0"},
		{Ecosystem: lockfile.Cargo, Name: "own", Version: "0.1.0", Source: lockfile.Local},
	}
}

func about() About {
	return About{Name: "example.com/x", Tool: "portcullis", Version: "1.0", Time: time.Unix(1_700_000_000, 0)}
}

func TestURLs(t *testing.T) {
	var got []string
	for _, c := range Of(packages()) {
		got = append(got, c.URL)
	}
	want := `pkg:cargo/serde@1.0.0
pkg:golang/github.com/a/b/v2@v2.0.0%2Bincompatible
pkg:golang/stdlib@1.26.8
pkg:npm/%40scope/name@1.0.0
pkg:npm/g@1.0.0?vcs_url=git%2Bhttps:%2F%2Fgithub.com%2Fx%2Fg.git%40` + strings.Repeat("a", 40) + `
pkg:pypi/zope-interface@5.0`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// What is written is the same every time, is valid, and reads as it was.
func TestThereAndBack(t *testing.T) {
	list := Of(packages())
	for name, write := range map[string]func(*bytes.Buffer) error{
		"x.cdx.json":  func(b *bytes.Buffer) error { return CycloneDX(b, about(), list) },
		"x.spdx.json": func(b *bytes.Buffer) error { return SPDX(b, about(), list) },
	} {
		var one, two bytes.Buffer
		if err := write(&one); err != nil {
			t.Fatal(err)
		}
		if err := write(&two); err != nil || one.String() != two.String() {
			t.Errorf("%s: differs from run to run (%v)", name, err)
		}
		l, err := Read(name, one.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Components) != len(list) || l.Nameless != 0 {
			t.Fatalf("%s: %d components, %d nameless", name, len(l.Components), l.Nameless)
		}
		for i, c := range l.Components {
			if c.Ecosystem != list[i].Ecosystem || c.Name != list[i].Name || c.Version != list[i].Version || !c.Library {
				t.Errorf("%s: %+v, want %+v", name, c, list[i])
			}
		}
	}
}

func TestCycloneDX(t *testing.T) {
	var b bytes.Buffer
	if err := CycloneDX(&b, about(), Of(packages())); err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(b.Bytes()), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != cdx.SpecVersion1_6 || bom.Metadata.Timestamp != "2023-11-14T22:13:20Z" || !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") || bom.SerialNumber[9+14] != '8' {
		t.Errorf("%s %s %s", bom.SpecVersion, bom.SerialNumber, bom.Metadata.Timestamp)
	}
	hashes := map[string]string{}
	for _, c := range *bom.Components {
		if c.Hashes != nil {
			hashes[c.Name] = string((*c.Hashes)[0].Algorithm) + " " + (*c.Hashes)[0].Value
		}
	}
	if hashes["name"] != "SHA-512 "+strings.Repeat("0", 128) || hashes["serde"] != "SHA-256 "+strings.Repeat("cd", 32) || hashes["zope-interface"] == "" || hashes["v2"] != "" {
		t.Errorf("%v", hashes)
	}
	more := append(packages(), lockfile.Package{Ecosystem: lockfile.NPM, Name: "b", Version: "1"})
	var c bytes.Buffer
	if err := CycloneDX(&c, about(), Of(more)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(c.String(), bom.SerialNumber) {
		t.Error("another list has the same serial number")
	}
}

func TestSPDX(t *testing.T) {
	var b bytes.Buffer
	if err := SPDX(&b, about(), Of(packages())); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"spdxVersion": "SPDX-2.3"`, `"SPDXID": "SPDXRef-DOCUMENT"`, `"created": "2023-11-14T22:13:20Z"`, `"Tool: portcullis-1.0"`,
		`"relationshipType": "DESCRIBES"`, `"relationshipType": "DEPENDS_ON"`, `"referenceType": "purl"`, `"algorithm": "SHA512"`, `"dataLicense": "CC0-1.0"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%.600s", want, b.String())
		}
	}
}

func TestRefused(t *testing.T) {
	nested := strings.Repeat(`{"components":[`, 100) + strings.Repeat(`]}`, 100)
	for _, text := range []string{
		"", "{}", `{"bomFormat":"other"}`, `{"bomFormat":"CycloneDX","components":{}}`, `{"spdxVersion":"SPDX-3.0"}`,
		`{"bomFormat":"CycloneDX","components":[{"purl":"nonsense"}]}`, `{"bomFormat":"CycloneDX","components":[` + nested + `]}`,
		`{"bomFormat":"CycloneDX","bomFormat":"CycloneDX"}`,
	} {
		if l, err := Read("bom.json", []byte(text)); err == nil {
			t.Errorf("%.60q is read: %+v", text, l)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{"bom.json": true, "a/b.CDX.json": true, "x.spdx.json": true, "package.json": false, "bom.xml": false} {
		if Name(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return CycloneDX(b, about(), Of(packages())) },
		func(b *bytes.Buffer) error { return SPDX(b, about(), Of(packages())) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"bomFormat":"CycloneDX","components":[{"type":"library","purl":"pkg:npm/%40a/b@1?x=y#z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Read("bom.json", data)
		if err != nil {
			return
		}
		for _, c := range l.Components {
			if c.URL == "" || c.Ecosystem != "" && c.Name == "" {
				t.Fatalf("%+v", c)
			}
		}
	})
}
