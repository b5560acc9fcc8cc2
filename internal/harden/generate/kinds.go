package generate

// kinds are the kinds of files, each a folder of files/.
var kinds = [...]Kind{
	{"env", "Environment variables, and what git must not see", []string{"S0-43", "S0-44", "S1-1", "S3-9"}},
}
