package keys

// DefaultScopes let a key use every tool, prompt and resource, and nothing of
// the administration.
func DefaultScopes() []string { return []string{"tools:*", "prompts:*", "resources:*"} }
