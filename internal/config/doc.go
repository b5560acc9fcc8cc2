// Package config reads portcullis.toml: it composes the sections that the
// packages of the gateway own, decodes the file strictly over their defaults,
// checks the whole, and writes it down again as schema, reference page,
// commented file and list of changes.
//
//	cfg, source, err := config.Load(path, os.LookupEnv)
//
// An error names the file, the line and the key of every mistake; it never
// holds what an environment variable contained. A key of a later version is
// refused, not ignored.
//
// Sections are plain structs with toml tags, a Default and a pure Validate.
// config.go is the list of them. [Watcher] keeps the last valid configuration
// when the file changes.
package config
