package shape

// buffers is an object of Protocol Buffers in its JSON form: null is no value,
// and "Arrays marked as required MUST contain at least one element".
func buffers(fields ...field) spec { return spec{fields: fields, nulls: true, full: true} }

func version1(t *[objects]spec) {
	state := tagged(TagState, must(word("state", states1()...)))
	t[V1Part] = buffers(
		pick(tagged(TagText, one("text", kindText))),
		pick(tagged(TagRaw, one("raw", kindBytes))),
		pick(tagged(TagFile, one("url", kindURI))),
		pick(tagged(TagData, one("data", kindAny))),
		metadata(), one("filename", kindText), tagged(TagMedia, one("mediaType", kindMedia)),
	)
	t[V1Message] = buffers(
		must(one("messageId", kindID)), tagged(TagContext, one("contextId", kindID)), tagged(TagTask, one("taskId", kindID)),
		must(tagged(TagRole, word("role", "ROLE_USER", "ROLE_AGENT"))), must(tagged(TagPart, objs("parts", V1Part))),
		tagged(TagMetadata, metadata()), many("extensions", kindText), tagged(TagReference, many("referenceTaskIds", kindID)),
	)
	t[V1Artifact] = buffers(
		must(one("artifactId", kindID)), one("name", kindText), one("description", kindText),
		must(tagged(TagPart, objs("parts", V1Part))), metadata(), many("extensions", kindText),
	)
	t[V1Status] = buffers(state, obj("message", V1Message), one("timestamp", kindTime))
	t[V1Task] = buffers(
		must(one("id", kindID)), one("contextId", kindID), must(obj("status", V1Status)),
		objs("artifacts", V1Artifact), objs("history", V1Message), metadata(),
	)
	t[V1StatusUpdate] = buffers(
		must(one("taskId", kindID)), must(one("contextId", kindID)), must(obj("status", V1Status)), metadata(),
	)
	t[V1ArtifactUpdate] = buffers(
		must(one("taskId", kindID)), must(one("contextId", kindID)), must(obj("artifact", V1Artifact)),
		one("append", kindBool), one("lastChunk", kindBool), metadata(),
	)
	t[V1StreamResponse] = buffers(
		pick(obj("task", V1Task)), pick(obj("message", V1Message)),
		pick(obj("statusUpdate", V1StatusUpdate)), pick(obj("artifactUpdate", V1ArtifactUpdate)),
	)
	t[V1SendResponse] = buffers(pick(obj("task", V1Task)), pick(obj("message", V1Message)))
	// The JSON form of Protocol Buffers leaves out empty lists, empty texts
	// and zero, so an empty page is {}.
	t[V1ListTasksResponse] = buffers(
		objs("tasks", V1Task), one("nextPageToken", kindText),
		whole("pageSize", 0, most32), whole("totalSize", 0, most32),
	)
	t[V1ListPushResponse] = buffers(objs("configs", V1PushConfig), one("nextPageToken", kindText))
}

func states1() []string {
	return []string{
		"TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "TASK_STATE_COMPLETED", "TASK_STATE_FAILED",
		"TASK_STATE_CANCELED", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_REJECTED", "TASK_STATE_AUTH_REQUIRED",
	}
}

func version1Requests(t *[objects]spec) {
	tenant := tagged(TagTenant, one("tenant", kindText))
	history := whole("historyLength", 0, most32)
	push := func(id, task field) spec {
		return buffers(tenant, id, task, must(tagged(TagPush, one("url", kindURI))), one("token", kindText),
			obj("authentication", v1Authentication))
	}
	t[V1SendMessage] = buffers(tenant, must(tagged(TagMessage, obj("message", V1Message))), obj("configuration", v1Configuration), tagged(TagAround, metadata()))
	t[v1Configuration] = buffers(
		tagged(TagMode, many("acceptedOutputModes", kindMedia)), obj("taskPushNotificationConfig", v1SendPush),
		history, one("returnImmediately", kindBool),
	)
	// "Task id should be empty when sending this configuration in a
	// SendMessage request": it would be one that nobody checked.
	t[v1SendPush] = push(one("id", kindID), one("taskId", kindVoid))
	t[V1PushConfig] = push(one("id", kindID), one("taskId", kindID))
	t[V1CreatePush] = push(one("id", kindID), must(one("taskId", kindID)))
	t[V1CreatePushHTTP] = push(one("id", kindID), one("taskId", kindID))
	t[v1Authentication] = buffers(must(one("scheme", kindID)), one("credentials", kindText))
	t[V1TaskRequest] = buffers(tenant, must(one("id", kindID)), metadata())
	t[V1CancelHTTP] = buffers(tenant, one("id", kindID), metadata())
	t[V1GetTask] = buffers(tenant, must(one("id", kindID)), history)
	t[V1ListTasks] = buffers(
		tenant, one("contextId", kindID), word("status", states1()...), whole("pageSize", 1, page),
		one("pageToken", kindText), history, one("statusTimestampAfter", kindTime), one("includeArtifacts", kindBool),
	)
	t[V1PushRequest] = buffers(tenant, must(one("taskId", kindID)), must(one("id", kindID)))
	t[V1ListPush] = buffers(tenant, must(one("taskId", kindID)), whole("pageSize", 0, most32), one("pageToken", kindText))
	t[V1Card] = buffers(tenant)
}
