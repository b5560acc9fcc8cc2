package a2aclient

import (
	"errors"
	"testing"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
)

// FuzzCard: a card that is taken leads to its own origin.
func FuzzCard(f *testing.F) {
	f.Add(`{"name":"H","description":"d","version":"1","supportedInterfaces":[{"url":"https://agent.example/a2a","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"capabilities":{},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],"skills":[]}`)
	f.Add(`{"name":"H","description":"d","version":"1","protocolVersion":"0.3.0","url":"https://evil.example/a2a","capabilities":{},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],"skills":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Options{}.check()
		if err != nil {
			t.Fatal(err)
		}
		_, at, err := guard.ReadURL("https://agent.example")
		if err != nil {
			t.Fatal(err)
		}
		c, err := readCard([]byte(text), "https://agent.example/card", at, set)
		if err != nil {
			if !errors.Is(err, ErrCard) && !errors.Is(err, ErrOrigin) {
				t.Fatal(err)
			}
			return
		}
		via, ok := c.choose(nil)
		if !ok || via.at != at {
			t.Fatalf("leads to %+v", via)
		}
		b := guard.Binder{Card: c.doc, At: at}
		if _, err := b.Bind(); err != nil && !errors.Is(err, ErrAuth) {
			t.Fatal(err)
		}
	})
}
