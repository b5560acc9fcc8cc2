package shape

// typed is the member that tells legacy events and parts apart.
func typed(word1 string) field { return must(word("type", word1)) }

// legacy are the events of agents that answer tasks/sendSubscribe (R0-7).
func legacy(t *[objects]spec) {
	t[LegacyEvent] = spec{by: "type", union: []variant{
		{"task.status", legacyStatusEvent}, {"task.artifact", legacyArtifactEvent},
		{"task.output", legacyOutputEvent}, {"error", legacyErrorEvent}, {"done", legacyDoneEvent},
	}}
	ids := func(fields ...field) spec {
		return schema(append(fields, one("taskId", kindID), one("contextId", kindID), one("sessionId", kindID), metadata())...)
	}
	t[legacyStatusEvent] = ids(typed("task.status"), must(obj("status", legacyStatus)), one("final", kindBool))
	t[legacyArtifactEvent] = ids(typed("task.artifact"), must(obj("artifact", legacyArtifact)))
	t[legacyOutputEvent] = ids(typed("task.output"), must(tagged(TagText, one("output", kindText))))
	t[legacyErrorEvent] = ids(typed("error"), must(whole("code", -most32, most32)), must(one("message", kindText)), one("data", kindAny))
	t[legacyDoneEvent] = ids(typed("done"), must(obj("task", legacyTask)))
	t[legacyStatus] = schema(
		tagged(TagState, must(word("state", "submitted", "working", "input-required", "completed", "failed", "canceled"))),
		one("timestamp", kindDate), obj("message", legacyMessage),
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
		must(one("id", kindID)), one("sessionId", kindID), one("contextId", kindID), must(obj("status", legacyStatus)),
		objs("artifacts", legacyArtifact), objs("history", legacyMessage), metadata(),
	)
}
