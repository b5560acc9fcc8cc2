package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

// SchemaChecks is [route.schema].
type SchemaChecks struct {
	Arguments string `toml:"arguments" enum:"block|warn|off" doc:"Arguments of tool calls that break the inputSchema of the tool: refuse the call, write an event only, or do not check."`
	Results   string `toml:"results" enum:"block|warn|off" doc:"Structured content of results that breaks the outputSchema of the tool: refuse the reply, write an event only, or do not check."`
	Unknown   string `toml:"unknown" enum:"allow|deny" doc:"Calls of a tool for which no tools/list has named a schema yet."`
	Unusable  string `toml:"unusable" enum:"allow|deny" doc:"Calls of a tool whose schema cannot be used: too large, referring to something outside itself or to itself without an end, no JSON Schema."`
}

// DefaultSchemaChecks returns the defaults of [route.schema].
func DefaultSchemaChecks() SchemaChecks {
	d := schema.Default()
	return SchemaChecks{Arguments: string(d.Arguments), Results: string(d.Results), Unknown: d.Unknown, Unusable: d.Unusable}
}

// Guard returns the settings as the guard takes them.
func (s SchemaChecks) Guard() schema.Config {
	return schema.Config{Arguments: schema.Mode(s.Arguments), Results: schema.Mode(s.Results), Unknown: s.Unknown, Unusable: s.Unusable}
}

// SchemaFile is one [[route.schemas]].
type SchemaFile struct {
	File   string   `toml:"file" required:"true" example:"\"/etc/portcullis/task.schema.json\"" doc:"File with the JSON Schema: draft 2020-12, or the one that $schema names. Read when the configuration is."`
	Part   string   `toml:"part" enum:"arguments|params|result|event" doc:"What must fit: the arguments of a call, all params of what callers send, the result of what the server answers, or the params of what it sends unasked."`
	Method string   `toml:"method" example:"\"prompts/get\"" doc:"Method of the message, or of the request that a result answers."`
	Tools  []string `toml:"tools" list:"text" example:"[\"create_*\"]" doc:"Tools, prompts or resources that the schema is for; * stands for any text. Empty means all."`
	Action string   `toml:"action" enum:"block|warn" doc:"What happens to a message that does not fit: refuse it, or write an event only."`
}

// DefaultSchemaFile returns the defaults of a [[route.schemas]].
func DefaultSchemaFile() SchemaFile {
	return SchemaFile{Part: string(schema.Arguments), Method: "tools/call", Action: string(schema.Block)}
}

// Validate checks one [[route.schemas]] without reading the file.
func (s SchemaFile) Validate() error {
	var errs []error
	if s.File == "" {
		errs = append(errs, errors.New("file: want the name of a file"))
	}
	if s.Method == "" || strings.ContainsAny(s.Method, " *\t\r\n") {
		errs = append(errs, fmt.Errorf("method: %q: want the name of a method", s.Method))
	}
	if i := slices.Index(s.Tools, ""); i >= 0 {
		errs = append(errs, fmt.Errorf("tools[%d]: want a name or a pattern", i))
	}
	return errors.Join(errs...)
}

// Rule reads the file and returns the rule as the guard takes it.
func (s SchemaFile) Rule() (schema.Rule, error) {
	compiled, err := schema.Load(s.File)
	if err != nil {
		return schema.Rule{}, fmt.Errorf("file: %q: %w", s.File, err)
	}
	return schema.Rule{
		Part: schema.Part(s.Part), Method: s.Method, Tools: s.Tools, Warn: s.Action == string(schema.Warn), Schema: compiled,
	}, nil
}

// loadSchemas reads the files that routes name, so that a mistake in one is a
// mistake of the configuration.
func (c *Config) loadSchemas(origin *tomlstrict.Origin) Errors {
	var errs Errors
	for i, r := range c.Routes {
		for n, s := range r.Schemas {
			_, err := s.Rule()
			errs = append(errs, origin.Locate(fmt.Sprintf("route[%d].schemas[%d]", i, n), err)...)
		}
	}
	return errs.Sorted()
}
