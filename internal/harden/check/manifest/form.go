package manifest

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/manifest/standard"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/ossa"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

func formRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "readable", severity: rule.Medium, topic: topic.Hygiene, title: "A gateway can read the manifest",
				why:    "What cannot be read is enforced by nobody: the agent has whatever its surroundings give it.",
				verify: "portcullis policy from-ossa FILE ends with an error.", fix: "Mend what the message says.",
				guides: list("R3-1"), cwe: list("CWE-20"),
			}.meta(),
			Check: func(_ context.Context, f *File) ([]rule.Finding, error) { return refusals(f), nil },
		},
		{
			Meta: about{
				id: "version", severity: rule.Medium, topic: topic.Hygiene, title: "The version of the format is known",
				why:    "A reader of another version takes fields for something else, or skips those that it does not know.",
				verify: "apiVersion is missing, or is not ossa/v0.4, ossa/v0.5 or a release of them.", fix: "Move the manifest to ossa/v0.5, and read it again as a whole.",
				guides: list("R3-1"), cwe: list("CWE-20"),
			}.meta(),
			Check: sees(func(f *File, out *found) {
				for _, doc := range f.docs {
					n := doc.Get("apiVersion")
					if _, ok := ossa.Version(n.Value()); ok {
						continue
					}
					if n == nil {
						n = doc.Get("ossaVersion")
					}
					if n == nil {
						out.add(doc, "The manifest does not say of which version it is.", "")
					} else {
						out.add(n, "The version is not known.", n.Value())
					}
				}
			}),
		},
		{
			Meta: about{
				id: "schema", severity: rule.Low, topic: topic.Hygiene, title: "The manifest is as the schema of its version says",
				why:    "A field with another name or kind is read as nothing, also one that was meant to hold the agent back.",
				verify: "Hold the file against agent.schema.json of the version that apiVersion names.", fix: "Write the fields as the schema says; take out those that it does not know.",
				guides: list("R3-1"),
			}.meta(),
			Check: bySchema,
		},
		{
			Meta: about{
				id: "revoked", severity: rule.High, topic: topic.Integrity, title: "The agent is not revoked",
				why:    "Whoever published the agent says that nobody should run it any more.",
				verify: "metadata.status is revoked.", fix: "Take the agent out of service, or move to a version that is not revoked.",
				guides: list("R3-1"), cwe: list("CWE-672"),
			}.meta(),
			Check: sees(func(f *File, out *found) {
				for _, n := range f.sections("metadata", "status") {
					if strings.EqualFold(n.Value(), "revoked") {
						out.add(n, "The agent is revoked.", "")
					}
				}
				for _, n := range f.sections("metadata", "revoked_at") {
					out.add(n, "The agent is revoked.", n.Value())
				}
			}),
		},
	}
}

// placed takes a message of the reader apart.
var placed = regexp.MustCompile(`^(.*?):([0-9]+): (?:([\w".\[\]-]+): )?(.*)$`)

// refusals is what the reader of manifests says.
func refusals(f *File) []rule.Finding {
	refused := f.refused()
	if refused == nil {
		return nil
	}
	var out []rule.Finding
	for line := range strings.SplitSeq(refused.Error(), "\n") {
		finding := rule.Finding{Message: "The manifest cannot be read: " + line + ".", File: f.path}
		if m := placed.FindStringSubmatch(line); m != nil {
			finding.Line, _ = strconv.Atoi(m[2])
			finding.Pointer = m[3]
			finding.Message = "The manifest cannot be read: " + m[4] + "."
		}
		out = append(out, finding)
	}
	return out
}

// revision is a version of MCP.
var revision = regexp.MustCompile(`^20\d{2}-\d{2}-\d{2}$`)

func bySchema(_ context.Context, f *File) ([]rule.Finding, error) {
	out := found{file: f.path}
	var failed error
	for _, doc := range f.docs {
		version, _ := ossa.Version(doc.Get("apiVersion").Value())
		faults, err := standard.Faults(version, doc.Plain())
		failed = errors.Join(failed, err)
		for _, fault := range faults {
			at := reach(doc, fault.At)
			if len(fault.At) == 3 && fault.At[1] == "mcp" && fault.At[2] == "version" && revision.MatchString(at.Value()) {
				continue // the schema knows none of the versions that MCP has
			}
			out.add(at, "Is not as the schema says: "+fault.Text+".", "")
		}
	}
	return out.list, failed
}

// reach returns the value at a path of names and numbers, or the last that is
// there.
func reach(n *yamltree.Node, path []string) *yamltree.Node {
	for _, step := range path {
		next := n.Get(step)
		if i, err := strconv.Atoi(step); err == nil && n.IsList() && i < len(n.List()) {
			next = n.List()[i]
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// sayingRules are about what a manifest should say of its agent.
func sayingRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "owner-missing", severity: rule.Low, topic: topic.Telemetry, title: "Somebody answers for the agent",
				why:    "Nobody is called when the agent does what it should not, and nobody takes it away when it is no longer used.",
				verify: "metadata has no author, owner, maintainer, team or contact, and identity no publisher.", fix: "Write metadata.author or metadata.identity.publisher.email.",
				guides: list("R3-1"), cwe: list("CWE-1059"),
			}.meta(),
			Check: means(func(f *File, out *found) {
				for _, v := range f.values {
					if !v.under("metadata", "identity", "publisher") && !slicesHas(v.above, "labels", "annotations") {
						continue
					}
					switch v.name {
					case "author", "owner", "owners", "maintainer", "maintainers", "contact", "contacts", "team", "email", "support", "publisher":
						if !v.node.Empty() && (v.node.IsTable() || v.node.IsList() || strings.TrimSpace(v.node.Value()) != "") {
							return
						}
					}
				}
				out.add(f.top(), "Nobody is named who answers for the agent.", "")
			}),
		},
		{
			Meta: about{
				id: "class-missing", severity: rule.Low, topic: topic.Data, title: "The class of the data is named",
				why:    "Nothing downstream can be stricter for data that must not get out.",
				verify: "security.data_classification is missing.", fix: "Write public, internal, confidential or restricted as security.data_classification.",
				guides: list("R3-1"), cwe: list("CWE-1220"),
			}.meta(),
			Check: means(func(f *File, out *found) {
				for _, v := range f.values {
					if v.name == "dataclassification" && v.node.Value() != "" {
						return
					}
				}
				out.add(f.top(), "The class of the data is not named.", "")
			}),
		},
		{
			Meta: about{
				id: "model-unpinned", severity: rule.Low, topic: topic.Supply, title: "Models are named by a version",
				why:    "The name means another model tomorrow: what was tried and approved is not what runs.",
				verify: "llm.model or a fallback has no date or revision at its end.", fix: "Write the dated name of the model, such as gpt-4o-2024-08-06.",
				guides: list("R3-1"), cwe: list("CWE-1357"),
			}.meta(),
			Check: values(func(v value, out *found) {
				name, ok := modelOf(v)
				if ok && !dated.MatchString(name) {
					out.add(v.node, "The name of the model means the newest of it.", name)
				}
			}),
		},
		{
			Meta: about{
				id: "image-unpinned", severity: rule.Medium, topic: topic.Supply, title: "The image of the agent is named by its digest",
				why:    "A tag means another image tomorrow, with the rights and secrets of today.",
				verify: "image of runtime or deployment has no @sha256:.", fix: "Write the digest: name:tag@sha256:….",
				guides: list("S0-59", "R3-1"), cwe: list("CWE-829", "CWE-1357"),
			}.meta(),
			Check: values(func(v value, out *found) {
				if v.schema || !v.node.IsText() || (v.name != "image" && v.name != "containerimage") {
					return
				}
				if text := v.node.Value(); text != "" && !strings.Contains(text, "://") && unpinned(text) {
					out.add(v.node, "The image is not named by its digest.", text)
				}
			}),
		},
	}
}

// dated is a name of a model that means one: with a date, a revision or a hash
// at its end.
var dated = regexp.MustCompile(`(?:[-@]\d{8}|\d{4}-\d{2}-\d{2}|-\d{3,4}|@\d{3,}|[@:]sha256:[0-9a-f]{12,64}|@[0-9a-f]{40})(?:-v\d+(?::\d+)?)?$`)

// filledIn is a value that the surroundings may replace: what stands behind :-
// is used where they do not.
var filledIn = regexp.MustCompile(`^\$\{[A-Za-z_]\w*(?::?-([^}]*))?\}$`)

// modelOf returns the name of a model.
func modelOf(v value) (string, bool) {
	if v.schema || !v.node.IsText() {
		return "", false
	}
	switch v.name {
	case "model", "modelname", "modelid":
	default:
		return "", false
	}
	// A "model" is also one of roles or of scoring; that of a language model
	// stands beside its provider or under a name that says so.
	if v.parent().Get("provider") == nil && !v.under("llm", "model", "runtime", "fallbackmodels", "cascade", "models") && len(v.above) > 2 {
		return "", false
	}
	name := v.node.Value()
	if m := filledIn.FindStringSubmatch(name); m != nil {
		name = m[1]
	}
	return name, name != ""
}
