module example.com/agent

go 1.26

require golang.org/x/term v0.44.0
