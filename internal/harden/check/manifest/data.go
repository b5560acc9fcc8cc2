package manifest

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// secretive returns the first value that says that the data is not for everyone.
func (f *File) secretive() *yamltree.Node {
	for _, v := range f.values {
		if v.name == "dataclassification" && slices.Contains([]string{"confidential", "restricted", "secret", "sensitive"}, strings.ToLower(v.node.Value())) {
			return v.node
		}
	}
	return nil
}

func recordRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "audit-off", severity: rule.High, topic: topic.Telemetry, title: "Calls of tools are recorded",
				why:    "Nobody can say afterwards what the agent did, or that it did not.",
				verify: "audit or log_tool_calls is false, or has enabled: false.", fix: "Set it to true.",
				guides: list("S0-56", "R3-3"), cwe: list("CWE-778"), mends: true,
			}.meta(),
			Check: sees(auditOff),
			Mend:  flips(auditOff),
		},
		{
			Meta: about{
				id: "audit-missing", severity: rule.Low, topic: topic.Telemetry, title: "The manifest asks for an audit trail",
				why:    "Whether calls are recorded is left to whoever runs the agent.",
				verify: "security.audit, or another word for it, is missing.", fix: "Write security.audit with log_tool_calls: true and retention_days.",
				guides: list("S0-56", "R3-3"), cwe: list("CWE-778"),
			}.meta(),
			Check: means(func(f *File, out *found) {
				for _, v := range f.values {
					switch v.name {
					case "audit", "auditlog", "auditlogs", "auditlogging", "logtoolcalls", "auditlevel", "audittrail", "auditretention":
						if !v.schema && !v.node.Empty() && !off(v.node) {
							return
						}
					}
				}
				out.add(f.top(), "Nothing asks for an audit trail.", "")
			}),
		},
		{
			Meta: about{
				id: "audit-contents", severity: rule.Medium, topic: topic.Data, title: "Records do not hold confidential contents",
				why:    "What was to be kept close stands in logs, which are copied, kept for years and read by many.",
				verify: "log_inputs or log_outputs is true, and the data is confidential or restricted.", fix: "Set log_inputs and log_outputs to false; record names, sizes and hashes.",
				guides: list("S0-56", "R3-1"), cwe: list("CWE-532"), mends: true,
			}.meta(),
			Check: sees(auditContents),
			Mend:  flips(auditContents),
		},
	}
}

func auditOff(f *File, out *found) {
	for _, v := range f.values {
		if v.schema {
			continue
		}
		switch v.name {
		case "audit", "auditlog", "auditlogs", "auditlogging", "auditing", "logtoolcalls", "audittrail", "auditenabled", "auditlevel", "decisionaudit", "securityevents":
			n := v.node
			if !off(n) {
				continue
			}
			if e := n.Get("enabled"); n.IsTable() && e != nil {
				n = e
			}
			out.add(n, "Calls are not recorded.", v.raw+": "+n.Value())
		}
	}
}

func auditContents(f *File, out *found) {
	if f.secretive() == nil {
		return
	}
	for _, v := range f.values {
		switch v.name {
		case "loginputs", "logoutputs", "logprompts", "logresponses", "logarguments", "logresults", "logpayloads", "logbodies":
			if !v.schema && yes(v.node) {
				out.add(v.node, "Confidential contents go into the records.", v.raw+": "+v.node.Value())
			}
		}
	}
}

// personal are words for rules about data of people.
var personal = regexp.MustCompile(`(?i)\b(?:gdpr|hipaa|pci(?:-dss)?|ccpa|phi|pii|dsgvo|personal[ _-]data|patient|customer[ _-]data)\b`)

func dataRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "secret", severity: rule.Critical, topic: topic.Secret, title: "The manifest holds no credential",
				why:    "Manifests are published, copied and committed: everyone reads the key.",
				verify: "A value has the form of a key or token, or stands under a name such as api_key or password.", fix: "Write ${NAME} or a reference to a secret store, and revoke the key.",
				guides: list("S0-57", "S3-12", "R3-3"), cwe: list("CWE-798", "CWE-312"),
			}.meta(),
			Check: sees(secrets),
		},
		{
			Meta: about{
				id: "pii-unhandled", severity: rule.Medium, topic: topic.Data, title: "Personal data is found and taken out",
				why:    "Names, cards and diagnoses reach the provider of the model, the tools and the logs.",
				verify: "The data is confidential, or a law about personal data is named, and no section such as pii_detection redacts or blocks.", fix: "Write safety.pii_detection with action redact or block.",
				guides: list("R3-2", "S3-36"), cwe: list("CWE-359"),
			}.meta(),
			Check: means(personalData),
		},
	}
}

func secrets(f *File, out *found) {
	for _, v := range f.values {
		if !v.node.IsText() && v.node.Raw() == "" || v.node.IsTable() || v.node.IsList() {
			continue
		}
		text := v.node.Value()
		if places := credential.In([]byte(text)); len(places) > 0 {
			out.add(v.node, "The value has the form of a credential.", places[0].Kind)
			continue
		}
		switch {
		case v.schema || v.name == "type" || strings.HasSuffix(v.name, "format"):
		case slices.Contains([]string{"value", "default"}, v.name) && credential.Configured(v.parent().Get("name").Value(), text), credential.Configured(v.raw, text):
			if !described(v) {
				out.add(v.node, "A credential is written out under "+v.raw+".", rule.Mask(text))
			}
		}
	}
	f.commented(out)
}

// commented finds credentials between the values.
func (f *File) commented(out *found) {
	told := map[int]bool{}
	for _, found := range out.list {
		told[found.Line] = true
	}
	for _, p := range credential.In(f.data) {
		if len(out.list) == 0 || !told[p.Line] && comment.Match(lineOf(f.data, p.Start)) {
			out.list = append(out.list, rule.Finding{Message: "The file holds a credential.", File: f.path, Line: p.Line, Evidence: p.Kind})
			out.at = append(out.at, nil)
		}
	}
}

var comment = regexp.MustCompile(`^\s*#|\s#`)

func lineOf(data []byte, at int) []byte {
	from := bytes.LastIndexByte(data[:at], '\n') + 1
	end := bytes.IndexByte(data[from:], '\n')
	if end < 0 {
		return data[from:]
	}
	return data[from : from+end]
}

// described reports whether a value names a kind of credential, or where one
// is kept, and is none.
func described(v value) bool {
	switch v.name {
	case "categories", "types", "schemes", "methods", "scopes", "patterns", "redact", "fields":
		return true
	}
	switch fold(v.node.Value()) {
	case "bearer", "bearertoken", "oauth2", "apikey", "jwt", "mtls", "basic", "vault", "env", "secretref", "external", "managed", "kms":
		return true
	}
	return false
}

func personalData(f *File, out *found) {
	because := f.secretive()
	handled := false
	for _, v := range f.values {
		if v.schema {
			continue
		}
		n := v.node
		switch v.name {
		case "piidetection", "piihandling", "piiredaction", "redactpii", "pii", "phidetection":
			warns := n.IsTable() && fold(n.Get("action").Value()) == "warn" || fold(n.Value()) == "warn"
			switch {
			case off(n):
				out.add(n, "Personal data is let through.", v.raw+": "+n.Value())
			case warns:
				if because != nil {
					out.add(n, "Personal data is seen and let through.", "action: warn")
				}
				handled = true
			case n.IsTable() || n.Value() != "":
				handled = true
			}
		case "categories":
			if v.under("contentfiltering") && personal.MatchString(n.Value()) && !off(v.parent()) {
				handled = true
			}
		case "compliance", "frameworks", "complianceframeworks", "regulations":
			if because == nil && personal.MatchString(n.Value()) {
				because = n
			}
		}
	}
	if because != nil && !handled && len(out.list) == 0 {
		out.add(because, "Nothing looks for personal data.", because.Value())
	}
}

func textRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "orders", severity: rule.High, topic: topic.Injection, title: "Texts of the manifest give no hidden orders",
				why:    "The model reads the descriptions as if its user had written them.",
				verify: "Read the prompts and descriptions: none tells the model to ignore, hide or send something.", fix: "Describe what the agent and its tools do, and nothing else.",
				guides: list("S0-54"), cwe: list("CWE-74", "CWE-1427"),
			}.meta(),
			Check: sees(func(f *File, out *found) {
				for _, v := range f.values {
					if l := f.judge.Look(v.node.Value()); v.node.IsText() && l.Orders != "" {
						out.add(v.node, "A text gives orders to a model.", l.Orders)
					}
				}
			}),
		},
		{
			Meta: about{
				id: "hidden", severity: rule.High, topic: topic.Injection, title: "Texts of the manifest hide no characters",
				why:    "The model reads what the person who looked at the manifest did not see.",
				verify: "Look for tag, zero-width and direction characters.", fix: "Remove these characters from the file.",
				guides: list("S0-54"), cwe: list("CWE-451", "CWE-1427"),
			}.meta(),
			Check: sees(func(f *File, out *found) {
				for _, v := range f.values {
					for _, text := range []string{v.raw, v.node.Raw()} {
						if l := f.judge.Look(text); l.Hidden != "" {
							out.add(v.node, "A text has characters that a reader does not see.", l.Hidden)
							break
						}
					}
				}
				if len(out.list) == 0 && f.judge.Look(string(f.data)).Hidden != "" { // in a comment
					out.add(f.docs[0], "The file has characters that a reader does not see.", "")
				}
			}),
		},
	}
}
