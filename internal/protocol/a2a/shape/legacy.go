package shape

// typed is the member that tells legacy events and parts apart.
func typed(word1 string) field { return must(word("type", word1)) }

// legacy are the events of agents that answer tasks/sendSubscribe (R0-7).
func legacy(t *[objects]spec) {
	t[LegacyEvent] = spec{by: "type", union: []variant{
		{"task.status", legacyStatusEvent}, {"task.artifact", legacyArtifactEvent},
		{"task.output", legacyOutputEvent}, {"error", legacyErrorEvent}, {"done", legacyDoneEvent},
	}}
	t[legacyStatusEvent] = schema(typed("task.status"), must(obj("status", legacyStatus)), one("final", kindBool))
	t[legacyArtifactEvent] = schema(typed("task.artifact"), must(obj("artifact", legacyArtifact)))
	t[legacyOutputEvent] = schema(typed("task.output"), must(obj("output", legacyOutput)))
	t[legacyErrorEvent] = schema(typed("error"), must(obj("error", legacyError)))
	t[legacyDoneEvent] = schema(typed("done"), must(obj("task", legacyTask)))
	t[legacyError] = schema(must(whole("code", -most32, most32)), must(one("message", kindText)), one("data", kindAny))
	t[legacyOutput] = schema(obj("message", legacyMessage), objs("artifacts", legacyArtifact))
	t[legacyStatus] = schema(
		tagged(TagState, must(word("state", "submitted", "working", "input-required", "completed", "failed", "canceled"))),
		one("timestamp", kindDate), one("message", kindText),
	)
	t[legacyMessage] = schema(must(word("role", "user", "agent")), must(tagged(TagPart, objs("parts", legacyPart))), metadata())
	t[legacyArtifact] = schema(
		must(one("id", kindID)), one("name", kindText), one("description", kindText),
		must(tagged(TagPart, objs("parts", legacyPart))), whole("index", 0, most32),
		one("append", kindBool), one("lastChunk", kindBool), metadata(),
	)
	t[legacyPart] = spec{by: "type", union: []variant{{"text", legacyText}, {"file", legacyFile}, {"data", legacyData}}}
	t[legacyText] = schema(append(never("file", "data"),
		typed("text"), must(tagged(TagText, one("text", kindText))), metadata())...)
	t[legacyFile] = schema(append(never("text", "data"),
		typed("file"), must(obj("file", legacyFileContent)), metadata())...)
	t[legacyData] = schema(append(never("text", "file"),
		typed("data"), must(tagged(TagData, one("data", kindFree))), metadata())...)
	t[legacyFileContent] = schema(
		pick(tagged(TagRaw, one("bytes", kindBytes))), pick(tagged(TagFile, one("uri", kindURI))),
		tagged(TagMedia, one("mimeType", kindMedia)), one("name", kindText),
	)
	t[legacyTask] = schema(
		must(one("id", kindID)), one("sessionId", kindID), must(obj("status", legacyStatus)),
		obj("input", legacyInput), obj("output", legacyOutput), objs("history", legacyHistory),
	)
	t[legacyInput] = schema(obj("message", legacyMessage), one("skillId", kindText))
	t[legacyHistory] = schema(must(obj("status", legacyStatus)), must(one("timestamp", kindDate)))
}
