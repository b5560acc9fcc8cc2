package shape

// lenient is an object of version 0.3 in the JSON form of its Protocol Buffers,
// which the libraries send over HTTP+JSON: null is no value. Its definition
// marks nothing as required; what the JSON Schema requires is.
func lenient(fields ...field) spec { return spec{fields: fields, nulls: true} }

func version03HTTP(t *[objects]spec) {
	t[p03Part] = lenient(
		pick(tagged(TagText, one("text", kindText))), pick(obj("file", p03File)), pick(obj("data", p03Data)), metadata(),
	)
	t[p03File] = lenient(
		pick(tagged(TagRaw, one("fileWithBytes", kindBytes))), pick(tagged(TagFile, one("fileWithUri", kindURI))),
		tagged(TagMedia, one("mimeType", kindMedia)), one("name", kindText),
	)
	t[p03Data] = lenient(must(tagged(TagData, one("data", kindFree))))
	t[P03Message] = lenient(append(never("parts", "kind", "referenceTaskIds"),
		must(one("messageId", kindID)), tagged(TagContext, one("contextId", kindID)), tagged(TagTask, one("taskId", kindID)),
		must(tagged(TagRole, word("role", "ROLE_USER", "ROLE_AGENT"))), must(tagged(TagPart, objs("content", p03Part))),
		tagged(TagMetadata, metadata()), many("extensions", kindText))...)
	t[p03Artifact] = lenient(
		must(one("artifactId", kindID)), one("name", kindText), one("description", kindText),
		must(tagged(TagPart, objs("parts", p03Part))), metadata(), many("extensions", kindText),
	)
	t[p03Status] = lenient(
		tagged(TagState, must(word("state", append(states1(), "TASK_STATE_CANCELLED")...))),
		obj("message", P03Message), one("timestamp", kindTime),
	)
	t[P03Task] = lenient(append(never("kind"),
		must(one("id", kindID)), one("contextId", kindID), must(obj("status", p03Status)),
		objs("artifacts", p03Artifact), objs("history", P03Message), metadata())...)
	t[p03StatusUpdate] = lenient(
		must(one("taskId", kindID)), must(one("contextId", kindID)), must(obj("status", p03Status)),
		one("final", kindBool), metadata(),
	)
	t[p03ArtifactUpdate] = lenient(
		must(one("taskId", kindID)), must(one("contextId", kindID)), must(obj("artifact", p03Artifact)),
		one("append", kindBool), one("lastChunk", kindBool), metadata(),
	)
	t[P03Response] = lenient(
		pick(obj("task", P03Task)), pick(obj("message", P03Message)),
		pick(obj("statusUpdate", p03StatusUpdate)), pick(obj("artifactUpdate", p03ArtifactUpdate)),
	)
	t[V03Response] = schema(
		pick(obj("task", V03Task)), pick(obj("message", V03Message)),
		pick(obj("statusUpdate", V03StatusUpdate)), pick(obj("artifactUpdate", V03ArtifactUpdate)),
	)
	t[P03ListTasksResponse] = lenient(
		must(objs("tasks", P03Task)), one("nextPageToken", kindText),
		whole("pageSize", 0, most32), whole("totalSize", 0, most32),
	)
	t[P03SendMessage] = lenient(
		must(tagged(TagMessage, obj("message", P03Message))), obj("configuration", p03Configuration), tagged(TagAround, metadata()),
	)
	t[p03Configuration] = lenient(append(never("pushNotificationConfig"),
		tagged(TagMode, many("acceptedOutputModes", kindMedia)), obj("pushNotification", v03SendPush),
		whole("historyLength", 0, most32), one("blocking", kindBool))...)
}
