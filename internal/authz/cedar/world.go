package cedar

import (
	"net/netip"

	"github.com/cedar-policy/cedar-go"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
)

// Types of entities. Null and Number stand for JSON that Cedar has no type for.
const (
	typeUser     = cedar.EntityType("Portcullis::User")
	typeKey      = cedar.EntityType("Portcullis::Key")
	typeRole     = cedar.EntityType("Portcullis::Role")
	typeAction   = cedar.EntityType("Portcullis::Action")
	typeTool     = cedar.EntityType("Portcullis::Tool")
	typePrompt   = cedar.EntityType("Portcullis::Prompt")
	typeResource = cedar.EntityType("Portcullis::Resource")
	typeSkill    = cedar.EntityType("Portcullis::Skill")
	typeMethod   = cedar.EntityType("Portcullis::Method")
	typeRoute    = cedar.EntityType("Portcullis::Route")
	typeNull     = cedar.EntityType("Portcullis::Null")
	typeNumber   = cedar.EntityType("Portcullis::Number")
)

// The groups of actions.
const (
	groupUse      = "use"      // acts on a tool, prompt, resource or skill
	groupProtocol = "protocol" // opens, lists or ends
)

// methodAPIKey is how a principal with a key was proved.
const methodAPIKey = "api_key"

// world is what policies know of the caller, the method and the thing.
type world struct{ principal, action, resource cedar.Entity }

// Get implements cedar's EntityGetter.
func (w *world) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	switch uid {
	case w.principal.UID:
		return w.principal, true
	case w.action.UID:
		return w.action, true
	case w.resource.UID:
		return w.resource, true
	}
	return cedar.Entity{}, false
}

func (z *Authorizer) world(p portcullis.Principal, a portcullis.Action) *world {
	w := new(world)
	w.principal = z.principal(p)
	w.action.UID = cedar.NewEntityUID(typeAction, cedar.String(a.Method))
	switch {
	case a.Target.Kind != portcullis.TargetNone:
		w.action.Parents = cedar.NewEntityUIDSet(cedar.NewEntityUID(typeAction, groupUse))
	case scope.Open(a.Method):
		w.action.Parents = cedar.NewEntityUIDSet(cedar.NewEntityUID(typeAction, groupProtocol))
	}
	kind, name := typeMethod, a.Method
	if int(a.Target.Kind) < len(resourceTypes) && a.Target.Kind != portcullis.TargetNone {
		kind, name = resourceTypes[a.Target.Kind], a.Target.Name
	}
	w.resource = cedar.Entity{
		UID:     cedar.NewEntityUID(kind, cedar.String(name)),
		Parents: cedar.NewEntityUIDSet(cedar.NewEntityUID(typeRoute, cedar.String(a.Route))),
	}
	if m := (cedar.RecordMap{}); z.set.asks["resource.name"] || z.set.asks["resource.route"] {
		m["name"], m["route"] = cedar.String(name), cedar.String(a.Route)
		w.resource.Attributes = cedar.NewRecord(m)
	}
	return w
}

var resourceTypes = [...]cedar.EntityType{
	portcullis.TargetTool:     typeTool,
	portcullis.TargetPrompt:   typePrompt,
	portcullis.TargetResource: typeResource,
	portcullis.TargetSkill:    typeSkill,
}

// principal is a key, in the user it speaks for, or a user. A name is for
// people and no policy sees it.
func (z *Authorizer) principal(p portcullis.Principal) cedar.Entity {
	user := cedar.NewEntityUID(typeUser, cedar.String(p.ID))
	e := cedar.Entity{UID: user}
	parents := make([]cedar.EntityUID, 0, len(p.Roles)+1)
	if p.Method == methodAPIKey {
		e.UID = cedar.NewEntityUID(typeKey, cedar.String(p.KeyID))
		parents = append(parents, user)
	}
	for _, r := range p.Roles {
		parents = append(parents, cedar.NewEntityUID(typeRole, cedar.String(r)))
	}
	e.Parents = cedar.NewEntityUIDSet(parents...)
	m := cedar.RecordMap{}
	for _, word := range attributes["principal"] {
		if !z.set.asks["principal."+word] {
			continue
		}
		switch word {
		case "id":
			m["id"] = cedar.String(p.ID)
		case "method":
			m["method"] = cedar.String(p.Method)
		case "key":
			m["key"] = cedar.String(p.KeyID)
		case "roles":
			m["roles"] = set(p.Roles)
		case "scopes":
			m["scopes"] = set(p.Scopes, z.Scopes(p))
		}
	}
	e.Attributes = cedar.NewRecord(m)
	return e
}

func set(lists ...[]string) cedar.Set {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	values := make([]cedar.Value, 0, n)
	for _, l := range lists {
		for _, s := range l {
			values = append(values, cedar.String(s))
		}
	}
	return cedar.NewSet(values...)
}

func address(a netip.Addr) cedar.IPAddr {
	a = a.Unmap().WithZone("")
	return cedar.IPAddr(netip.PrefixFrom(a, a.BitLen()))
}
