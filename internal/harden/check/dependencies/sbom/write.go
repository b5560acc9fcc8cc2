package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// About says what a list is of and who made it.
type About struct {
	Name    string // of the project
	Tool    string // that made the list: "portcullis"
	Version string // of the tool
	Time    time.Time
}

// digest stands for a list: the same packages, the same digest.
func digest(a About, list []Component) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", a.Name)
	for _, c := range list {
		fmt.Fprintf(h, "%q %q\n", c.URL, c.Hash)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// serial is a UUID of version 8, whose bits are of one's own making (RFC 9562).
func serial(sum [sha256.Size]byte) string {
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// CycloneDX writes a list as CycloneDX 1.6 JSON.
func CycloneDX(w io.Writer, a About, list []Component) error {
	bom := cdx.NewBOM()
	bom.SerialNumber = serial(digest(a, list))
	bom.Metadata = &cdx.Metadata{
		Timestamp: a.Time.UTC().Format(time.RFC3339),
		Component: &cdx.Component{BOMRef: "project", Type: cdx.ComponentTypeApplication, Name: a.Name},
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: a.Tool, Version: a.Version}}},
	}
	components := make([]cdx.Component, 0, len(list))
	for _, c := range list {
		group, name := "", c.Name
		if i := strings.LastIndex(c.Name, "/"); i > 0 {
			group, name = c.Name[:i], c.Name[i+1:]
		}
		out := cdx.Component{BOMRef: c.URL, Type: cdx.ComponentTypeLibrary, Group: group, Name: name, Version: c.Version, PackageURL: c.URL}
		if algorithm, sum := hash(c.Hash); sum != "" {
			out.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgorithm(algorithm), Value: sum}}
		}
		components = append(components, out)
	}
	bom.Components = &components
	var b bytes.Buffer
	e := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("writing the SBOM: %w", err)
	}
	return flush(w, b.Bytes())
}

// SPDX writes a list as SPDX 2.3 JSON.
func SPDX(w io.Writer, a About, list []Component) error {
	sum := digest(a, list)
	doc := spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: a.Name,
		DocumentNamespace: "https://portcullis.dev/spdx/" + hex.EncodeToString(sum[:16]),
		CreationInfo: &spdx.CreationInfo{
			Created: a.Time.UTC().Format(time.RFC3339), Creators: []common.Creator{{CreatorType: "Tool", Creator: strings.TrimSuffix(a.Tool+"-"+a.Version, "-")}},
		},
		Packages: []*spdx.Package{{
			PackageName: a.Name, PackageSPDXIdentifier: "project", PackageDownloadLocation: "NOASSERTION",
			PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION", PrimaryPackagePurpose: "APPLICATION",
		}},
	}
	relate := func(from common.ElementID, kind string, to common.ElementID) {
		doc.Relationships = append(doc.Relationships, &spdx.Relationship{RefA: common.DocElementID{ElementRefID: from}, RefB: common.DocElementID{ElementRefID: to}, Relationship: kind})
	}
	relate("DOCUMENT", common.TypeRelationshipDescribe, "project")
	for i, c := range list {
		id := common.ElementID(fmt.Sprintf("package-%d", i+1))
		p := &spdx.Package{
			PackageName: c.Name, PackageSPDXIdentifier: id, PackageVersion: c.Version, PackageDownloadLocation: "NOASSERTION",
			PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION",
			PackageExternalReferences: []*spdx.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: c.URL}},
		}
		if algorithm, sum := hash(c.Hash); sum != "" {
			p.PackageChecksums = []common.Checksum{{Algorithm: common.ChecksumAlgorithm(strings.ReplaceAll(algorithm, "-", "")), Value: sum}}
		}
		doc.Packages = append(doc.Packages, p)
		relate("project", common.TypeRelationshipDependsOn, id)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("writing the SBOM: %w", err)
	}
	return flush(w, b.Bytes())
}

func flush(w io.Writer, data []byte) error {
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(data, '\n')
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("writing the SBOM: %w", err)
	}
	return nil
}

// hash takes a hash of a lock file apart: the algorithm ("SHA-512") and the sum
// in hexadecimal digits. Sums that are not of an archive, such as those of Go
// modules, have no name in these formats.
func hash(s string) (algorithm, sum string) {
	kind, value, ok := strings.Cut(s, "-") // as npm writes it
	if !ok {
		if kind, value, ok = strings.Cut(s, ":"); !ok { // as pip writes it
			kind, value = "sha256", s // as cargo writes it
		}
	}
	value, _, _ = strings.Cut(value, " ") // npm may write several
	size := map[string]int{"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}[kind]
	if size == 0 {
		return "", ""
	}
	raw, err := hex.DecodeString(value)
	if err != nil || len(raw) != size {
		raw, err = base64.StdEncoding.DecodeString(value)
	}
	if err != nil || len(raw) != size {
		return "", ""
	}
	return "SHA-" + strings.TrimPrefix(kind, "sha"), hex.EncodeToString(raw)
}
