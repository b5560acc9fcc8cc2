package enrich

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/portcullis-dev/portcullis"
)

// Bounds of a geography database.
const (
	maxDatabase = 1 << 30 // bytes
	maxPlaces   = 1 << 16 // addresses whose place is kept
	maxText     = 128     // bytes of a name
)

// stamp tells one version of a file from another.
type stamp struct {
	mod  time.Time
	size int64
}

func stampOf(name string) (stamp, error) {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return stamp{}, errors.New("not a regular file")
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

// readFile reads a file of at most max bytes.
func readFile(name string, max int64) (text []byte, s stamp, err error) {
	if s, err = stampOf(name); err != nil {
		return nil, s, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(text)) > max {
		err = fmt.Errorf("more than %d bytes", max)
	}
	return text, s, err
}

// database is one version of a MaxMind DB file. It is read whole: a file that
// is overwritten while it is mapped would end the process.
type database struct {
	name   string
	stamp  stamp
	reader *maxminddb.Reader
	places *cache[netip.Addr, portcullis.Geo]
}

// openDatabase reads a file and walks all of it, so that what is in use is
// whole.
func openDatabase(name string) (*database, error) {
	text, s, err := readFile(name, maxDatabase)
	if err != nil {
		return nil, err
	}
	r, err := maxminddb.OpenBytes(text)
	if err != nil {
		return nil, fmt.Errorf("not a MaxMind DB file: %w", err)
	}
	if err := r.Verify(); err != nil {
		return nil, fmt.Errorf("damaged MaxMind DB file: %w", err)
	}
	return &database{name: name, stamp: s, reader: r, places: newCache[netip.Addr, portcullis.Geo](maxPlaces)}, nil
}

// place returns where an address is, zero if that is not known.
func (d *database) place(addr netip.Addr) portcullis.Geo {
	if d == nil || !addr.IsValid() {
		return portcullis.Geo{}
	}
	return d.places.get(addr.Unmap().WithZone(""), d.look)
}

// look asks for the members that the databases in use have, whatever vendor
// made them: MaxMind's are nested, others are flat.
func (d *database) look(addr netip.Addr) portcullis.Geo {
	r := d.reader.Lookup(addr)
	if r.Err() != nil || !r.Found() {
		return portcullis.Geo{}
	}
	g := portcullis.Geo{
		Country: first(country, r, path{"country", "iso_code"}, path{"country_code"}, path{"country"}, path{"registered_country", "iso_code"}),
		Region:  first(name, r, path{"subdivisions", 0, "iso_code"}, path{"region_code"}, path{"region"}),
		City:    first(name, r, path{"city", "names", "en"}, path{"city"}),
		Org:     first(name, r, path{"autonomous_system_organization"}, path{"as_name"}),
	}
	if r.DecodePath(&g.ASN, "autonomous_system_number") != nil || g.ASN == 0 {
		var text string
		if r.DecodePath(&text, "asn") == nil {
			n, err := strconv.ParseUint(strings.TrimPrefix(text, "AS"), 10, 32)
			if err == nil {
				g.ASN = uint32(n)
			}
		}
	}
	return g
}

type path []any

// first returns the first member that there is and that is of use.
func first(use func(string) string, r maxminddb.Result, paths ...path) string {
	for _, p := range paths {
		var s string
		if r.DecodePath(&s, p...) == nil {
			if s = use(s); s != "" {
				return s
			}
		}
	}
	return ""
}

// country returns a code of ISO 3166-1, or "".
func country(s string) string {
	if len(s) != 2 {
		return ""
	}
	s = strings.ToUpper(s)
	if s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return ""
	}
	return s
}

func name(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
