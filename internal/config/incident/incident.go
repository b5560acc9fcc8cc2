// Package incident is the section [incident] of the configuration: what the
// gateway does by itself about callers who are too risky.
package incident

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/risk"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/incident/response"
)

// Incident is [incident].
type Incident struct {
	Never           []string      `toml:"never" list:"text" example:"[\"user:alice\", \"ip:10.0.0.0/8\"]" doc:"Whom no response contains: ids of principals, and addresses as ip:CIDR. Trusted proxies never are. A list in the file replaces the default."`
	MaxPerHour      int           `toml:"max_per_hour" doc:"Incidents that are opened in an hour. Further ones become one incident."`
	MaxContainments int           `toml:"max_containments_per_hour" doc:"Containments that responses make in an hour. Behind it they open incidents and contain nobody."`
	CloseAfter      time.Duration `toml:"close_after" doc:"An incident closes by itself when nothing more was noticed for so long. \"0s\" is never."`
	Playbooks       string        `toml:"playbooks" example:"\"/etc/portcullis/playbooks\"" doc:"Folder of playbooks: files NAME.toml. One of the name of a built-in playbook takes its place."`
	MaxPlaybooks    int           `toml:"max_playbooks_per_hour" doc:"Playbooks that responses start in an hour."`
	Duties          bool          `toml:"duties" doc:"Whether people are reminded of duties that come back."`
	DutiesReady     string        `toml:"duties_ready" enum:"show|hide|fail" doc:"What /ready, which everybody may ask, does about duties that are overdue: show their names, hide them, or fail with 503."`
	Duty            []Duty        `toml:"duty" doc:"What people do again and again. Repeat the table for each; without any they are log-review (week), credential-rotation (month), access-audit (quarter) and compliance-review (year)."`
	Contacts        []Contact     `toml:"contact" doc:"Whom to wake. Repeat the table for each person."`
	Hooks           []Hook        `toml:"hook" doc:"Programs of yours that do what the gateway cannot, such as stopping servers. Repeat the table for each."`
	Response        []Response    `toml:"response" doc:"What is done above a score. Without any, incidents are opened above 80 and nobody is contained."`
}

// Response is [[incident.response]].
type Response struct {
	Name     string        `toml:"name" required:"true" doc:"In incidents and events."`
	Score    int           `toml:"score" doc:"Acts when the risk of a caller is above this."`
	On       string        `toml:"on" enum:"any|principal|address" doc:"Whom it is about. Failed logins count against addresses only."`
	Actions  []string      `toml:"actions" list:"text" enum:"alert|throttle|step_up|block|quarantine_tool" doc:"What is done. An incident is always opened: that is the alert."`
	For      time.Duration `toml:"for" doc:"How long callers and tools are contained."`
	PerHour  int           `toml:"per_hour" doc:"Calls that who is throttled may make in an hour."`
	Playbook string        `toml:"playbook" example:"\"exfiltration\"" doc:"Playbook that is started for the incident, once. It contains nobody whom no response contains."`
	DryRun   bool          `toml:"dry_run" doc:"Only write what would have been done."`
}

// Default returns the defaults of [incident].
func Default() Incident {
	return Incident{
		Never: []string{"ip:127.0.0.0/8", "ip:::1"}, MaxPerHour: casebook.DefaultPerHour,
		MaxContainments: 20, CloseAfter: casebook.DefaultQuiet, MaxPlaybooks: playbook.DefaultPerHour,
		Duties: true, DutiesReady: ReadyShow,
	}
}

// DefaultResponse returns the defaults of [[incident.response]].
func DefaultResponse() Response {
	return Response{Score: risk.DefaultThreshold, On: response.OnAny, Actions: []string{string(response.Alert)}, For: time.Hour, PerHour: 60}
}

// Validate checks [incident].
func (c Incident) Validate() error {
	var errs []error
	if _, err := c.never(nil); err != nil {
		errs = append(errs, err)
	}
	if c.MaxPerHour < 1 || c.MaxPerHour > 10_000 {
		errs = append(errs, errors.New("max_per_hour: want 1 to 10000"))
	}
	if c.MaxContainments < 0 || c.MaxContainments > containment.MaxActive {
		errs = append(errs, fmt.Errorf("max_containments_per_hour: want 0 to %d", containment.MaxActive))
	}
	if c.CloseAfter < 0 {
		errs = append(errs, errors.New("close_after: want \"0s\" or more"))
	}
	if c.MaxPlaybooks < 0 || c.MaxPlaybooks > 1000 {
		errs = append(errs, errors.New("max_playbooks_per_hour: want 0 to 1000"))
	}
	library, err := playbook.BuiltIn() // a folder is read when the configuration is put into force
	if err != nil {
		errs = append(errs, err)
	}
	for i, r := range c.Response {
		if r.Playbook != "" && c.Playbooks == "" && library[r.Playbook] == nil {
			errs = append(errs, fmt.Errorf("response[%d].playbook: %q: there is no such playbook: want one of %s", i, r.Playbook, strings.Join(library.Names(), ", ")))
		}
		same := func(other Response) bool { return other.Name == r.Name }
		if first := slices.IndexFunc(c.Response, same); r.Name != "" && first < i {
			errs = append(errs, fmt.Errorf("response[%d].name: %q: is taken by response[%d]", i, r.Name, first))
		}
	}
	errs = append(errs, c.checkHooks(), c.checkDuties())
	return errors.Join(errs...)
}

// maxName bounds the name of a response, in bytes.
const maxName = 64

// Validate checks [[incident.response]].
func (r Response) Validate() error {
	var errs []error
	if len(r.Name) > maxName {
		errs = append(errs, fmt.Errorf("name: want at most %d bytes", maxName))
	}
	if r.Score < 0 || r.Score >= risk.Max {
		errs = append(errs, fmt.Errorf("score: %d: want 0 to %d: no caller is above %d", r.Score, risk.Max-1, risk.Max))
	}
	if r.For <= 0 || r.For > containment.MaxFor {
		errs = append(errs, errors.New("for: want more than \"0s\" and at most a year"))
	}
	if r.PerHour < 1 || r.PerHour > containment.MaxPerHour {
		errs = append(errs, fmt.Errorf("per_hour: want 1 to %d", containment.MaxPerHour))
	}
	if r.On == response.OnAddress && slices.Contains(r.Actions, string(response.StepUp)) {
		errs = append(errs, errors.New("actions: step_up is for principals: an address cannot log in"))
	}
	return errors.Join(errs...)
}

func (c Incident) never(proxies []netip.Prefix) (response.Never, error) {
	n := response.Never{Principals: map[string]bool{}, Networks: slices.Clone(proxies)}
	for i, text := range c.Never {
		s, err := containment.ParseSubject(text)
		if p, ok := anyNet(text); ok {
			n.Networks = append(n.Networks, p)
			continue
		}
		if err != nil || s.Kind != containment.KindPrincipal && s.Kind != containment.KindCredential {
			return n, fmt.Errorf(`never[%d]: %q: want the id of a principal, or addresses such as "ip:10.0.0.0/8"`, i, text)
		}
		if s.Kind == containment.KindCredential { // the id of a principal may look like this
			s.ID = text
		}
		n.Principals[s.ID] = true
	}
	return n, nil
}

// anyNet reads "ip:CIDR"; one that is too wide to be contained may well be
// spared.
func anyNet(text string) (netip.Prefix, bool) {
	const word = "ip:"
	if len(text) <= len(word) || text[:len(word)] != word {
		return netip.Prefix{}, false
	}
	if a, err := netip.ParseAddr(text[len(word):]); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
	}
	p, err := netip.ParsePrefix(text[len(word):])
	return p, err == nil && p == p.Masked() && !p.Addr().Is4In6() // which would spare nobody
}

// Rules returns the settings as the engine takes them. proxies are the networks
// of proxies that are trusted: what is known of their addresses is about all
// who come through them.
func (c Incident) Rules(proxies []netip.Prefix) (response.Config, error) {
	never, err := c.never(proxies)
	if err != nil {
		return response.Config{}, err
	}
	out := response.Config{Never: never, MaxPerHour: c.MaxContainments}
	list := c.Response
	if len(list) == 0 {
		list = []Response{DefaultResponse()}
		list[0].Name = "default"
	}
	for _, r := range list {
		rule := response.Rule{Name: r.Name, Score: r.Score, On: r.On, For: r.For, PerHour: r.PerHour, DryRun: r.DryRun, Playbook: r.Playbook}
		for _, a := range r.Actions {
			rule.Actions = append(rule.Actions, response.Action(a))
		}
		out.Rules = append(out.Rules, rule)
	}
	return out, nil
}

// Library reads the playbooks, and refuses responses that name none of them.
func (c Incident) Library() (playbook.Library, error) {
	library, err := playbook.Load(c.Playbooks)
	if err != nil {
		return nil, fmt.Errorf("incident.playbooks: %w", err)
	}
	for _, r := range c.Response {
		if r.Playbook != "" && library[r.Playbook] == nil {
			return nil, fmt.Errorf("incident.response %q: playbook: %q: there is no such playbook: want one of %s", r.Name, r.Playbook, strings.Join(library.Names(), ", "))
		}
	}
	return library, nil
}

// Book returns what bounds the opening of incidents.
func (c Incident) Book() casebook.Settings {
	return casebook.Settings{PerHour: c.MaxPerHour, Quiet: c.CloseAfter}
}
