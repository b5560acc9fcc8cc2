// Package stdio runs an MCP server as a supervised child process and carries
// JSON-RPC messages over its standard input and output, one message a line
// (MCP 2026-07-28 and earlier, transport "stdio").
//
//	l, err := stdio.New(cfg, log)
//	p, err := l.Start(ctx)   // the child runs in its own process group
//	p.Send(ctx, msg)         // one line to its stdin
//	msg, err := p.Receive()  // one line from its stdout
//	p.Close(ctx)             // stdin closed, SIGTERM, SIGKILL: the group is gone
//
// The child gets no variable of the gateway's environment but PATH, HOME,
// LANG, LC_ALL and TMPDIR, what [Config.PassEnv] names and what [Config.Env]
// sets; it inherits no file but its three standard streams. HOME is passed
// because npx, uvx and their like keep their caches there; a route that wants
// it elsewhere sets HOME in Env.
//
// Whatever way a child ends, every process of its group is killed before its
// process id is given back to the system, and on Linux the child is killed
// when the gateway dies. A process that leaves the group with setsid(2) is out
// of reach of this package.
package stdio
