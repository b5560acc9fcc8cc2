// Package notify tells the owners of API keys what became of them: by a signed
// webhook, by a Slack-compatible webhook, by a command.
//
// [Queue.Notify] stores a [Message] per target and returns; [Queue.Run]
// delivers what is stored, tries again with growing pauses, and after
// [MaxAttempts] lays a message aside as failed, where `key notifications
// --failed` lists it. What is stored survives the process. A message may
// arrive twice, with the same id; it carries ids and times, never a secret.
//
// # Verifying a webhook
//
// X-Portcullis-Timestamp holds the seconds since 1970 at which the message was
// sent, X-Portcullis-Signature "sha256=" and the hexadecimal HMAC-SHA256 of
// timestamp, ".", and body under the shared secret. A receiver compares in
// constant time and refuses timestamps more than five minutes away.
package notify
