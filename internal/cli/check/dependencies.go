package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/osv"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/sbom"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Variables of the environment. SOURCE_DATE_EPOCH is what reproducible builds
// agreed on.
const (
	osvVariable  = "PORTCULLIS_OSV_URL"
	timeVariable = "SOURCE_DATE_EPOCH"
)

// packages is what flags say of dependencies.
type packages struct {
	database string
	online   bool
	server   string
	lists    []string
}

func (o *packages) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.database, "osv-db", "", "`folder` of OSV databases to find vulnerabilities in, without a network: ECOSYSTEM/all.zip or ECOSYSTEM/*.json")
	f.BoolVar(&o.online, "osv", false, "ask a server of OSV for vulnerabilities; it learns names and versions of packages")
	f.StringVar(&o.server, "osv-url", "", "`address` of that server (default the variable "+osvVariable+", or "+osv.PublicServer+")")
	f.StringArrayVar(&o.lists, "sbom", nil, "write the packages of all lock files to a `file`: SPDX 2.3 if it ends in .spdx.json, else CycloneDX 1.6")
}

// source opens what is known of vulnerabilities, or nothing where nobody asked
// for it.
func (c verbs) source(o packages) (osv.Source, io.Closer, error) {
	switch {
	case o.database != "" && o.online:
		return nil, nil, frame.Usagef("--osv-db and --osv: want one of them")
	case o.server != "" && !o.online:
		return nil, nil, frame.Usagef("--osv-url: has no effect without --osv")
	case o.database != "":
		db, err := osv.OpenFolder(o.database)
		if err != nil {
			return nil, nil, frame.Usagef("--osv-db %q: is no folder that can be read", o.database)
		}
		return db, db, nil
	case o.online:
		named, _ := c.Env(osvVariable)
		s, err := osv.NewServer(cmp.Or(o.server, named, osv.PublicServer), strings.TrimSuffix("portcullis/"+c.Version, "/"))
		if err != nil {
			return nil, nil, frame.Usagef("--osv: %v", err)
		}
		return s, s, nil
	}
	return nil, nil, nil
}

// dependencies are the options of that family.
func (c verbs) dependencies(source osv.Source, before *outcome.Baseline) dependencies.Options {
	o := dependencies.Options{Source: source, Now: c.now()}
	if before != nil {
		o.FirstSeen = before.FirstSeen
	}
	return o
}

// writeLists writes the SBOMs that were asked for. A list that lacks what could
// not be read is not written.
func (c verbs) writeLists(ctx context.Context, t *targets, files []string) error {
	if len(files) == 0 {
		return nil
	}
	at, err := c.listTime()
	if err != nil {
		return err
	}
	about := sbom.About{Tool: "portcullis", Version: c.Version, Time: at}
	var all []lockfile.Package
	for _, target := range t.list {
		if target.Kind != rule.Dependencies || target.Tree == nil {
			continue
		}
		p, err := dependencies.Load(dependencies.Options{})(ctx, target.Tree, target.Path)
		if err != nil {
			return err
		}
		list, err := p.Packages()
		if err != nil {
			return fmt.Errorf("writing the SBOM: %w", err)
		}
		about.Name = cmp.Or(about.Name, p.Name())
		all = append(all, list...)
	}
	if about.Name == "" {
		return errors.New("writing the SBOM: no target has a lock file")
	}
	for _, file := range files {
		write := sbom.CycloneDX
		if strings.HasSuffix(strings.ToLower(file), ".spdx.json") {
			write = sbom.SPDX
		}
		var b bytes.Buffer
		if err := write(&b, about, sbom.Of(all)); err != nil {
			return err
		}
		if err := replace(file, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing the SBOM: %w", err)
		}
	}
	return nil
}

// listTime is the time that stands in an SBOM: now, or that of the sources.
func (c verbs) listTime() (time.Time, error) {
	text, _ := c.Env(timeVariable)
	if text == "" {
		return c.now().UTC().Truncate(time.Second), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<37 {
		return time.Time{}, frame.Usagef("%s=%.20q: want seconds since 1970", timeVariable, text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
