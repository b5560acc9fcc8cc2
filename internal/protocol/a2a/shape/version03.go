package shape

// schema is an object of JSON Schema: what is null is there, and has the
// wrong type.
func schema(fields ...field) spec { return spec{fields: fields} }

// is is the member that tells the objects of a union apart.
func is(kind string) field { return must(word("kind", kind)) }

func version03(t *[objects]spec) {
	t[V03Part] = spec{by: "kind", union: []variant{
		{"text", v03TextPart}, {"file", v03FilePart}, {"data", v03DataPart},
	}}
	t[v03TextPart] = schema(append(never("file", "data"),
		is("text"), must(tagged(TagText, one("text", kindText))), metadata())...)
	t[v03FilePart] = schema(append(never("text", "data"),
		is("file"), must(obj("file", v03File)), metadata())...)
	t[v03DataPart] = schema(append(never("text", "file"),
		is("data"), must(tagged(TagData, one("data", kindFree))), metadata())...)
	t[v03File] = schema(
		pick(tagged(TagRaw, one("bytes", kindBytes))), pick(tagged(TagFile, one("uri", kindURI))),
		tagged(TagMedia, one("mimeType", kindMedia)), one("name", kindText),
	)
	t[V03Message] = schema(append(never("content"), // of the other form that 0.3 has over HTTP+JSON
		is("message"), must(one("messageId", kindID)), tagged(TagContext, one("contextId", kindID)), tagged(TagTask, one("taskId", kindID)),
		must(tagged(TagRole, word("role", "user", "agent"))), must(tagged(TagPart, objs("parts", V03Part))),
		tagged(TagMetadata, metadata()), many("extensions", kindText), tagged(TagReference, many("referenceTaskIds", kindID)))...,
	)
	t[V03Artifact] = schema(
		must(one("artifactId", kindID)), one("name", kindText), one("description", kindText),
		must(tagged(TagPart, objs("parts", V03Part))), metadata(), many("extensions", kindText),
	)
	t[V03Status] = schema(
		tagged(TagState, must(word("state", states03()...))), obj("message", V03Message), one("timestamp", kindDate),
	)
	t[V03Task] = schema(
		is("task"), must(one("id", kindID)), must(one("contextId", kindID)), must(obj("status", V03Status)),
		objs("artifacts", V03Artifact), objs("history", V03Message), metadata(),
	)
	t[V03StatusUpdate] = schema(
		is("status-update"), must(one("taskId", kindID)), must(one("contextId", kindID)),
		must(one("final", kindBool)), must(obj("status", V03Status)), metadata(),
	)
	t[V03ArtifactUpdate] = schema(
		is("artifact-update"), must(one("taskId", kindID)), must(one("contextId", kindID)),
		must(obj("artifact", V03Artifact)), one("append", kindBool), one("lastChunk", kindBool), metadata(),
	)
	t[V03SendResult] = spec{by: "kind", union: []variant{{"task", V03Task}, {"message", V03Message}}}
	t[V03StreamResult] = spec{by: "kind", union: []variant{
		{"task", V03Task}, {"message", V03Message},
		{"status-update", V03StatusUpdate}, {"artifact-update", V03ArtifactUpdate},
	}}
	t[V03ListTasksResponse] = schema(
		must(objs("tasks", V03Task)), one("nextPageToken", kindText),
		whole("pageSize", 0, most32), whole("totalSize", 0, most32),
	)
}

func states03() []string {
	return []string{
		"submitted", "working", "input-required", "completed", "canceled", "failed", "rejected", "auth-required", "unknown",
	}
}

func version03Requests(t *[objects]spec) {
	history := whole("historyLength", 0, most32)
	push := func(more ...field) spec {
		return schema(append(more, must(tagged(TagPush, one("url", kindURI))), one("id", kindID), one("token", kindText),
			obj("authentication", v03Authentication))...)
	}
	t[V03SendMessage] = schema(must(tagged(TagMessage, obj("message", V03Message))), obj("configuration", v03Configuration), tagged(TagAround, metadata()))
	t[v03Configuration] = schema(
		tagged(TagMode, many("acceptedOutputModes", kindMedia)), one("blocking", kindBool), history,
		obj("pushNotificationConfig", v03SendPush),
	)
	t[v03SendPush] = push(one("taskId", kindVoid))
	t[v03Push] = push()
	t[V03PushConfig] = schema(must(one("taskId", kindID)), must(obj("pushNotificationConfig", v03Push)))
	t[v03Authentication] = schema(must(many("schemes", kindText)), one("credentials", kindText))
	t[V03TaskID] = schema(must(one("id", kindID)), metadata())
	t[V03TaskQuery] = schema(must(one("id", kindID)), history, metadata())
	t[V03PushQuery] = schema(must(one("id", kindID)), one("pushNotificationConfigId", kindID), metadata())
	t[V03PushDelete] = schema(must(one("id", kindID)), must(one("pushNotificationConfigId", kindID)), metadata())
}
