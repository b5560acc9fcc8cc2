// Package evidence says how a gateway stands to the controls of GDPR, SOC 2
// and HIPAA that a gateway can have a part in. Each control names what fulfils
// it and is judged by facts that were observed: the configuration in force,
// stored state, and records of the audit log with proofs that they are in it.
//
// It claims nothing else. What a gateway cannot see, such as a contract or a
// training, is not observed, until somebody attests to it with name and date.
package evidence

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Framework is a set of controls.
type Framework string

// The frameworks.
const (
	GDPR  Framework = "gdpr"
	SOC2  Framework = "soc2"
	HIPAA Framework = "hipaa"
)

// Frameworks returns them in order.
func Frameworks() []Framework { return []Framework{GDPR, SOC2, HIPAA} }

// Title is the name of a framework for people.
func (f Framework) Title() string {
	switch f {
	case GDPR:
		return "GDPR: General Data Protection Regulation"
	case SOC2:
		return "SOC 2: Trust Services Criteria"
	case HIPAA:
		return "HIPAA: Security and Privacy Rules"
	}
	return string(f)
}

// State is how a control stands.
type State string

// The states.
const (
	InPlace     State = "in place"
	Partly      State = "partly"
	NotInPlace  State = "not in place"
	Attested    State = "attested"
	NotObserved State = "not observed"
)

// Attestation is the word of a person on what the gateway cannot see.
type Attestation struct {
	Owner string `json:"owner" doc:"Who answers for it"`
	Date  string `json:"date" doc:"YYYY-MM-DD"`
	Note  string `json:"note,omitempty" doc:"What shows it"`
}

// Record points to one record of the audit log.
type Record struct {
	Type     string    `json:"type"`
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Sequence uint64    `json:"sequence" doc:"Number of the record in the log"`
	Count    int       `json:"count" doc:"How many records of the type the log holds; this is the newest of them that is signed"`
	Proof    string    `json:"proof,omitempty" doc:"Inclusion proof (c2sp.org/tlog-proof); 'portcullis audit prove --check FILE --key KEY' checks it offline"`
}

// Facts are what was observed.
type Facts struct {
	Serving        bool // routes are served: the configuration in force was seen
	Routes         int
	Anonymous      []string // routes that anyone may call
	Unlimited      []string // routes without a limit on rates
	Unread         []string // routes whose messages no content rule reads
	Unpinned       []string // routes whose tools are not pinned
	PlainUpstreams []string // routes to servers by plain HTTP on other machines
	ConsentRoutes  []string
	PHIRoutes      []string
	FieldRoutes    []string // with fields that only some roles get
	Purposes       int
	Consents       int // in force
	PurposeNeeded  bool
	Encrypted      bool // callers come over TLS, or from this machine only
	AdminLocal     bool // the admin listener is off or on a loopback address
	Sealed         bool // personal data in the audit log
	Refusing       bool // calls are refused when the log cannot be written
	Retention      map[string]time.Duration
	SignedRecords  uint64 // of the log, under the newest checkpoint
	Witnesses      int
	Sinks          int
	AlertChannels  int
	Policies       bool     // rules or policy files
	SealedValues   int      // stored values that were looked at and are encrypted
	Unsealed       []string // what of the stored is not as it should be
	OpenIncidents  int
	Records        map[portcullis.EventType]Record
}

// Finding is one control, judged.
type Finding struct {
	ID       string       `json:"id" doc:"Name of the control, for [[privacy.attest]]"`
	Ref      string       `json:"reference" doc:"Where the framework asks for it"`
	Title    string       `json:"title"`
	Means    string       `json:"fulfilled_by" doc:"What of the gateway fulfils it"`
	State    State        `json:"state" enum:"in place,partly,not in place,attested,not observed"`
	Observed []string     `json:"observed" doc:"What the state was found from"`
	Attested *Attestation `json:"attested,omitempty"`
	Records  []Record     `json:"records,omitempty" doc:"Records of the audit log that show it at work"`
}

// Report is what is handed to an auditor.
type Report struct {
	Schema     string          `json:"schema" doc:"portcullis.dev/compliance-report/v1"`
	Framework  Framework       `json:"framework" enum:"gdpr,soc2,hipaa"`
	Title      string          `json:"title"`
	MadeAt     time.Time       `json:"made_at"`
	Version    string          `json:"version" doc:"Of the gateway"`
	Limits     string          `json:"limits" doc:"What the report does not say"`
	LogKey     string          `json:"log_key,omitempty" doc:"Key that the proofs are checked with; compare it with one that you know"`
	Checkpoint string          `json:"checkpoint,omitempty" doc:"The newest signed checkpoint of the audit log"`
	Summary    map[State]int   `json:"summary"`
	Controls   []Finding       `json:"controls"`
	Config     json.RawMessage `json:"configuration,omitempty" doc:"In force, secrets masked"`
}

// SchemaName names the form of a report.
const SchemaName = "portcullis.dev/compliance-report/v1"

const limits = "This report says what the gateway observed of itself when it was made. It is no certificate and no legal advice. " +
	"A control that is in place here covers what passes this gateway, and nothing beside it."

// control is one entry of the registry.
type control struct {
	id, ref, title, means string
	types                 []portcullis.EventType
	judge                 func(*Facts) (State, []string) // nil: the gateway cannot see it
}

// Known reports whether a control of any framework has the id.
func Known(id string) bool {
	return slices.ContainsFunc(Frameworks(), func(f Framework) bool {
		return slices.ContainsFunc(registry(f), func(c control) bool { return c.id == id })
	})
}

// Types returns the event types that a framework's controls point to.
func Types(f Framework) []portcullis.EventType {
	var out []portcullis.EventType
	for _, c := range registry(f) {
		for _, t := range c.types {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// Make judges the controls of a framework.
func Make(f Framework, facts *Facts, attested map[string]Attestation, version string, at time.Time) Report {
	r := Report{
		Schema: SchemaName, Framework: f, Title: f.Title(), MadeAt: at.UTC().Truncate(time.Second), Version: version, Limits: limits,
		Summary: map[State]int{},
	}
	for _, c := range registry(f) {
		x := c.find(facts, attested)
		r.Summary[x.State]++
		r.Controls = append(r.Controls, x)
	}
	return r
}

func (c control) find(facts *Facts, attested map[string]Attestation) Finding {
	x := Finding{ID: c.id, Ref: c.ref, Title: c.title, Means: c.means, State: NotObserved}
	switch {
	case c.judge == nil:
		x.Observed = []string{"The gateway cannot see this."}
	case !facts.Serving:
		x.Observed = []string{"No gateway was serving routes when the report was made."}
	default:
		x.State, x.Observed = c.judge(facts)
	}
	if a, ok := attested[c.id]; ok {
		x.Attested = &a
		if x.State == NotObserved { // what was observed is not talked away
			x.State = Attested
		}
	}
	for _, t := range c.types {
		if r, ok := facts.Records[t]; ok {
			x.Records = append(x.Records, r)
		}
	}
	return x
}
