package content

import (
	"errors"
	"strings"
)

// A path names a place by the members that lead to it, from the message down:
// "params.arguments.to", "result.content[].text". All elements of an array have
// the same path. A name that is no plain word, or that itself holds something
// found, is written as *: paths stand in the audit log.

const (
	maxPath     = 200
	maxPathName = 40
	hiddenName  = "*"
)

// plainName reports whether a name may stand in a path.
func plainName(name []byte) bool {
	if len(name) == 0 || len(name) > maxPathName {
		return false
	}
	for _, c := range name {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '$' {
			return false
		}
	}
	return true
}

// path names the place where the walk stands.
func (w *walk) path() string { return string(w.appendPath(nil)) }

// appendPath appends the path of the place where the walk stands.
func (w *walk) appendPath(dst []byte) []byte {
	start := len(dst)
	for i := range w.stack {
		f := &w.stack[i]
		if !f.object {
			dst = append(dst, "[]"...)
			continue
		}
		if f.name == nil {
			continue
		}
		if len(dst) > start {
			dst = append(dst, '.')
		}
		if f.tainted || !plainName(f.name) {
			dst = append(dst, hiddenName...)
		} else {
			dst = append(dst, f.name...)
		}
		if len(dst)-start > maxPath {
			return append(dst[:start+maxPath], "…"...)
		}
	}
	return dst
}

// validPattern checks a pattern of paths: names, each perhaps with [] behind
// it, * for any name, and ** at the end for all below.
func validPattern(p string) error {
	names := strings.Split(p, ".")
	for i, name := range names {
		if name == "**" && i == len(names)-1 && i > 0 {
			continue
		}
		for strings.HasSuffix(name, "[]") {
			name = strings.TrimSuffix(name, "[]")
		}
		if name != hiddenName && !plainName([]byte(name)) {
			return errors.New(`want a path such as "params.arguments.query" or "result.content[].text", * for any name, ** for all below`)
		}
	}
	return nil
}

// matchPath reports whether a pattern fits a path.
func matchPath(pattern, path string) bool {
	for {
		p, restP, moreP := strings.Cut(pattern, ".")
		if p == "**" && !moreP {
			return true
		}
		s, restS, moreS := strings.Cut(path, ".")
		if p != s && !(strings.HasPrefix(p, hiddenName) && p[1:] == s[len(strings.TrimRight(s, "[]")):]) {
			return false
		}
		if !moreS && moreP && restP == "**" {
			return true
		}
		if moreP != moreS {
			return false
		}
		if !moreP {
			return true
		}
		pattern, path = restP, restS
	}
}

// place is what may be done to a string.
type place uint8

const (
	free   place = iota // rules may rewrite it
	fixed               // the protocol needs it as it is
	opaque              // and only who made it can read it: it looks random by nature
)

// places are where a message says what it is rather than what it carries.
// Rewriting there would break the call, or make it another than the one that
// was authorized.
var places = map[string]place{
	"jsonrpc": fixed, "id": opaque, "method": fixed,

	"params.name": fixed, "params.uri": fixed, "params.ref.name": fixed, "params.ref.uri": fixed, "params.ref.type": fixed,
	"params.protocolVersion": fixed, "params.level": fixed,
	"params.cursor": opaque, "params.requestState": opaque, "params.requestId": opaque, "params.taskId": opaque,
	"params.progressToken": opaque, "params._meta.progressToken": opaque, "params.task.taskId": opaque, "params.elicitationId": opaque,
	"params.notifications.resourceSubscriptions[]": fixed,

	"result.protocolVersion": fixed, "result.resultType": fixed, "result.role": fixed,
	"result.nextCursor": opaque, "result.requestState": opaque, "result.taskId": opaque, "result.task.taskId": opaque,
	"result.tasks[].taskId": opaque, "result.stopReason": fixed,
	"result.tools[].name": fixed, "result.prompts[].name": fixed, "result.prompts[].arguments[].name": fixed,
	"result.resources[].uri": fixed, "result.resourceTemplates[].uriTemplate": fixed,
	"result.contents[].uri": fixed, "result.contents[].mimeType": fixed,
	"result.content[].type": fixed, "result.content[].mimeType": fixed, "result.content[].uri": fixed,
	"result.content[].resource.uri": fixed, "result.content[].resource.mimeType": fixed,
	"result.messages[].role": fixed, "result.messages[].content.type": fixed, "result.messages[].content.mimeType": fixed,
	"result.action": fixed,
}

// opaqueScore is what a finding in an opaque place must reach: there every
// random text stands beside a name such as progressToken.
const opaqueScore = 90
