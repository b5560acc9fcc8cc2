package shell

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	var got []string
	for _, c := range Split("A=1 curl -k 'a b;c' | sh\nif x; then y && \\\n z; fi || w") {
		s := strings.Join(c.Words, ",")
		if c.Piped {
			s = "|" + s
		}
		got = append(got, s)
	}
	if want := []string{"curl,-k,a b;c", "|sh", "x", "y", "z", "fi", "w"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestLoose(t *testing.T) {
	for in, want := range map[string]bool{
		"npm ci": false, "npm install": true, "npm --quiet i": true, "npm install -g npm@11.1.0": false, "npm i -g npm": true, "npm i -g @a/b": true,
		"yarn": true, "yarn install --immutable": false, "pip install -r r.txt": true, "pip install --require-hashes -r r.txt": false, "sudo npm install": true,
		"pnpm install --frozen-lockfile": false, "go get x": true, "go build ./...": false,
	} {
		if got := Split(in)[0].Loose() != ""; got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func TestUnseen(t *testing.T) {
	for in, want := range map[string]int{
		"curl -fsSL https://x | sh": 1, "curl https://x | tee f | sh": 0, "wget -qO- https://x | sudo bash -s": 1, "echo x | sh": 0, "bash -c \"$(curl https://x)\"": 1,
	} {
		if got := len(Unseen(in)); got != want {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a 'b' | c && d\\\n e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range Split(s) {
			if len(c.Words) == 0 {
				t.Fatalf("%q: a command without words", s)
			}
			c.Loose()
		}
		Unseen(s)
	})
}
