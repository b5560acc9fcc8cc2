package shape

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Object names an object of the protocol.
type Object uint8

// The objects of version 1.0, as a2a.proto defines them; those with HTTP in
// their name are bodies of requests whose path says the rest.
const (
	V1Message Object = iota
	V1Part
	V1Artifact
	V1Task
	V1Status
	V1StatusUpdate
	V1ArtifactUpdate
	V1StreamResponse
	V1SendResponse
	V1SendMessage
	v1Configuration
	v1SendPush
	V1PushConfig
	V1CreatePush
	V1CreatePushHTTP
	v1Authentication
	V1TaskRequest
	V1GetTask
	V1CancelHTTP
	V1ListTasks
	V1ListTasksResponse
	V1PushRequest
	V1ListPush
	V1ListPushResponse
	V1Card // GetExtendedAgentCardRequest

	// The objects of version 0.3, as its JSON Schema defines them.

	V03Message
	V03Part
	v03TextPart
	v03FilePart
	v03DataPart
	v03File
	V03Artifact
	V03Task
	V03Status
	V03StatusUpdate
	V03ArtifactUpdate
	V03SendResult   // Task or Message
	V03StreamResult // any of the four
	V03SendMessage
	v03Configuration
	v03SendPush
	v03Push
	V03PushConfig
	v03Authentication
	V03TaskID
	V03TaskQuery
	V03PushQuery
	V03PushDelete
	V03ListTasksResponse

	// The objects of version 0.3 as they travel over HTTP+JSON: those that its
	// answers wrap, and those that have the form of its Protocol Buffers.

	V03Response
	P03Response
	P03Message
	p03Part
	p03File
	p03Data
	p03Artifact
	p03Status
	P03Task
	p03StatusUpdate
	p03ArtifactUpdate
	P03ListTasksResponse
	P03SendMessage
	p03Configuration

	// Stream events of agents older than 0.3, told apart by their type.

	LegacyEvent
	legacyStatusEvent
	legacyArtifactEvent
	legacyOutputEvent
	legacyErrorEvent
	legacyDoneEvent
	legacyStatus
	legacyArtifact
	legacyMessage
	legacyPart
	legacyText
	legacyFile
	legacyData
	legacyFileContent
	legacyTask
	legacyError
	legacyOutput
	legacyInput
	legacyHistory

	objects
)

const (
	most32 = 1<<31 - 1
	page   = 100 // "The maximum value is 100."
)

var (
	tables = build()
	snakes = snake(tables)
)

// snake returns the objects with underscores in the names of their members.
// What is refused as another spelling is the same, the usual one included.
func snake(usual [objects]spec) [objects]spec {
	for o := range usual {
		usual[o].fields = slices.Clone(usual[o].fields)
		for i := range usual[o].fields {
			f := &usual[o].fields[i]
			if name := Snake(f.name); name != f.name {
				usual[o].twins, f.name = append(usual[o].twins, f.name), name
			}
		}
	}
	return usual
}

// Snake writes the name of a member with underscores.
func Snake(name string) string {
	var out []byte
	for _, c := range []byte(name) {
		if 'A' <= c && c <= 'Z' {
			out = append(out, '_')
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

func build() [objects]spec {
	var t [objects]spec
	version1(&t)
	version1Requests(&t)
	version03(&t)
	version03Requests(&t)
	version03HTTP(&t)
	legacy(&t)
	for o := range t {
		var members []jsonrpc.Member
		for _, f := range t[o].fields {
			members = append(members, jsonrpc.Member{Name: f.name})
			t[o].oneOf = t[o].oneOf || f.group
		}
		t[o].names = jsonrpc.NewMembers(members...)
	}
	return t
}

// one and many make fields that may be there; must makes one that has to.
func one(name string, k kind) field  { return field{name: name, kind: k} }
func many(name string, k kind) field { return field{name: name, kind: k, list: true} }
func obj(name string, o Object) field {
	return field{name: name, kind: kindObject, of: o}
}

func word(name string, words ...string) field {
	return field{name: name, kind: kindWord, words: words}
}

func whole(name string, low, high int) field {
	return field{name: name, kind: kindInt, low: low, high: high}
}

func objs(name string, o Object) field {
	f := obj(name, o)
	f.list = true
	return f
}

func must(f field) field {
	f.need = true
	return f
}

func pick(f field) field {
	f.group = true
	return f
}

func tagged(t Tag, f field) field {
	f.tag = t
	return f
}

// metadata is a member of nearly every object.
func metadata() field { return one("metadata", kindFree) }

// never makes members that must not occur.
func never(names ...string) []field {
	fields := make([]field, len(names))
	for i, name := range names {
		fields[i] = one(name, kindNever)
	}
	return fields
}
