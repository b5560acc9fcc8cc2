package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain installs the real main as the command "portcullis", a tiny MCP
// server over stdio as "echo-server", and as much of curl as our texts use.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"portcullis": main, "echo-server": echoServer, "curl": curl})
}

// TestScripts plays the stories of test/scripts: what people type, and what
// they see on standard output and standard error.
func TestScripts(t *testing.T) {
	// What is run gets the signals of a terminal, whoever runs the tests: nohup
	// has them ignored, and the programs that a test starts with them.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	testscript.Run(t, params("../../test/scripts"))
}

// noRaceSleep spares each command the second that the race detector waits at
// the end of a process.
const noRaceSleep = "atexit_sleep_ms=0"

// params are those of a folder of stories. Each runs in a folder of its own
// with an environment of its own.
func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               setup,
		Cmds:                storyCommands(),
		Condition: func(cond string) (bool, error) {
			return cond == "root" && os.Geteuid() == 0, nil
		},
	}
}

func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("USER_CONFIG", filepath.Join(home, ".config"))
	env.Setenv("NO_COLOR", "1")
	env.Setenv("GORACE", noRaceSleep)
	env.Setenv("TZ", "UTC")
	env.Setenv("CALL", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{}}}`)
	// A short path: that of a socket may have no more than about 100 bytes.
	data, err := os.MkdirTemp("", "pc")
	if err != nil {
		return err
	}
	env.Setenv("D", filepath.Join(data, "d"))
	w := newWorld()
	env.Values[worldKey{}] = w
	env.Defer(func() {
		w.close()
		if err := os.RemoveAll(data); err != nil {
			env.T().Log("removing the data folder:", err)
		}
	})
	for _, name := range []string{"LISTEN", "ADMIN"} {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		env.Setenv(name, addr)
		env.Setenv(name+"_PORT", addr[strings.LastIndexByte(addr, ':')+1:])
	}
	return nil
}
