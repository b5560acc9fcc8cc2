package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/config/a2a"
	"github.com/portcullis-dev/portcullis/internal/config/guardrails"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// validator is what a section offers. It is pure and checks what one section
// alone can know.
type validator interface{ Validate() error }

// validate runs the Validate of every struct of the configuration, the inner
// ones first. A part that was refused while decoding is left out: what its
// check would say is only a consequence.
func validate(v reflect.Value, path string, origin *tomlstrict.Origin) Errors {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	var errs Errors
	switch tomlstrict.FormOf(v.Type()) {
	case tomlstrict.FormTable:
		var tables []string // these are checked by themselves
		for _, f := range tomlstrict.Fields(v.Type()) {
			at := tomlstrict.BarePath(path, f.Name)
			errs = append(errs, validate(v.FieldByIndex(f.Index), at, origin)...)
			if form := tomlstrict.FormOf(f.Type); form == tomlstrict.FormTable || form == tomlstrict.FormTables {
				tables = append(tables, at)
			}
		}
		if section, ok := v.Interface().(validator); ok && !origin.Refused(path, tables...) {
			errs = append(errs, origin.Locate(path, section.Validate())...)
		}
	case tomlstrict.FormTables:
		for i := range v.Len() {
			errs = append(errs, validate(v.Index(i), fmt.Sprintf("%s[%d]", path, i), origin)...)
		}
	case tomlstrict.FormMap:
		for _, key := range v.MapKeys() {
			errs = append(errs, validate(v.MapIndex(key), tomlstrict.BarePath(path, key.String()), origin)...)
		}
	}
	return errs
}

// checkAcross checks what no section can know alone.
func (c *Config) checkAcross(origin *tomlstrict.Origin) Errors {
	var errs Errors
	names, paths := map[string]int{}, map[string]int{}
	taints := make([]guardrails.Taint, len(c.Routes))
	for i, r := range c.Routes {
		taints[i] = r.Taint
	}
	for i, r := range c.Routes {
		errs = append(errs, unique(origin, names, i, "name", r.Name)...)
		errs = append(errs, unique(origin, paths, i, "path", r.Path)...)
		for _, agent := range c.Routes {
			if agent.SpeaksA2A() && a2a.Below(agent.Path, r.Path) {
				errs = append(errs, origin.Locate(fmt.Sprintf("route[%d]", i), fmt.Errorf("path: %q: lies below %q, where all paths are the agent's", r.Path, agent.Path))...)
			}
		}
		errs = append(errs, origin.Locate(fmt.Sprintf("route[%d]", i), errors.Join(c.checkTokens(i), c.checkMTLS(i), c.checkProofs(i), c.checkCredentials(i), c.checkConsent(i), c.checkGRPC(i), r.Taint.Effective(taints)))...)
	}
	for i := range c.Audit.Sinks {
		errs = append(errs, origin.Locate(fmt.Sprintf("audit.sinks[%d]", i), c.checkSink(i))...)
	}
	errs = append(errs, c.checkContent(origin)...)
	for i := range c.Detect.Alerts.Channels {
		errs = append(errs, origin.Locate(fmt.Sprintf("detect.alerts.channel[%d]", i), c.checkReferences(c.Detect.Alerts.Channels[i].References()))...)
	}
	for i := range c.Privacy.Hooks {
		errs = append(errs, origin.Locate(fmt.Sprintf("privacy.erasure_hook[%d]", i), errors.Join(c.checkReferences(c.Privacy.Hooks[i].References()), c.checkErasureTool(i)))...)
	}
	for i := range c.Incident.Hooks {
		errs = append(errs, origin.Locate(fmt.Sprintf("incident.hook[%d]", i), c.checkReferences(c.Incident.Hooks[i].References()))...)
	}
	channels := []string{}
	for _, ch := range c.Detect.Alerts.Channels {
		channels = append(channels, ch.Name)
	}
	errs = append(errs, origin.Locate("incident", c.Incident.CheckChannels(channels))...)
	errs = append(errs, origin.Locate("telemetry", c.checkReferences(c.Telemetry.References()))...)
	errs = append(errs, origin.Locate("secrets.rotation", c.checkReferences(c.Secrets.Rotation.References()))...)
	errs = append(errs, origin.Locate("identity.oidc", c.checkIssuers())...)
	errs = append(errs, origin.Locate("identity.session", c.checkOwnIssuer())...)
	errs = append(errs, origin.Locate("identity.mtls", c.checkClientCerts())...)
	errs = append(errs, origin.Locate("server.tls", c.checkClientCA())...)
	errs = append(errs, origin.Locate("identity.zkp", c.checkZKPAudience())...)
	errs = append(errs, origin.Locate("audit.archive.s3", c.checkReferences(c.Audit.Archive.S3.References()))...)
	return errs
}

// checkErasureTool checks that the route of an erasure hook that calls a tool is
// there, and has tools.
func (c *Config) checkErasureTool(i int) error {
	h := &c.Privacy.Hooks[i]
	if h.Tool == "" || h.Route == "" {
		return nil
	}
	at := slices.IndexFunc(c.Routes, func(r Route) bool { return r.Name == h.Route })
	if at < 0 {
		return fmt.Errorf("route: %q: there is no such route", h.Route)
	}
	if c.Routes[at].SpeaksA2A() {
		return fmt.Errorf("route: %q: leads to an agent, which has no tools: tell it with url", h.Route)
	}
	return nil
}

// unique reports a value that an earlier route has too.
func unique(origin *tomlstrict.Origin, seen map[string]int, i int, field, value string) Errors {
	path := fmt.Sprintf("route[%d]", i)
	if value == "" || origin.Refused(path+"."+field) {
		return nil
	}
	if first, ok := seen[value]; ok {
		other := fmt.Sprintf("route[%d].%s", first, field)
		return origin.Locate(path, fmt.Errorf("%s: %q: is taken by %s in line %d", field, value, other, origin.Line(other)))
	}
	seen[value] = i
	return nil
}
