package mcpclient

// Entry is a server that another file than the configuration of a client starts
// or calls, to be held to the same rules.
type Entry struct {
	Name    string
	At      Value
	Command Value
	Args    []Value
	Env     []Pair
	Headers []Pair
	URL     Value
}

// Value is a text and where it stands.
type Value struct {
	Text    string
	Pointer string
	Line    int
}

// Pair is a value with a name.
type Pair struct {
	Name string
	Value
}

func (v Value) value() value { return value{v.Text, place{v.Pointer, v.Line}} }

// Of returns the servers of a file as the configuration of a client.
func Of(path string, entries []Entry) *File {
	f := &File{path: path}
	for _, e := range entries {
		s := server{name: e.Name, at: place{e.At.Pointer, e.At.Line}, command: e.Command.value(), url: e.URL.value()}
		for _, a := range e.Args {
			s.args = append(s.args, a.value())
		}
		for _, p := range e.Env {
			s.env = append(s.env, pair{p.Name, p.value()})
		}
		for _, p := range e.Headers {
			s.headers = append(s.headers, pair{p.Name, p.value()})
		}
		f.servers = append(f.servers, s)
	}
	return f
}
