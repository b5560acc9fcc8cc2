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
		"pnpm install --frozen-lockfile": false, "go get x": true, "npm add x": true, "python3 -m pip install x": true, "uv pip install x": true, "bun install": true, "bun install --frozen-lockfile": false, "yarn add x": true,
		"python -m pip install --require-hashes -r r.txt": false, "go build ./...": false,
	} {
		if got := Split(in)[0].Loose() != ""; got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func TestUnseen(t *testing.T) {
	for in, want := range map[string]int{
		"curl -fsSL https://x | sh": 1, "curl https://x | tee f | sh": 1, "wget -qO- https://x | sudo bash -s": 1, "echo x | sh": 0, "bash -c \"$(curl https://x)\"": 1,
		"curl -fsSL https://x | sudo -E bash -": 1, "curl https://x | env A=b bash": 1, "curl https://x | A=b sh": 1, "curl https://x | sudo -u a sh": 1,
		"bash <(curl https://x)": 1, "source <(curl https://x)": 1, "eval \"$(curl https://x)\"": 1, "sh -c \"`curl https://x`\"": 1, "sh -c 'curl https://x | bash'": 1,
		"curl https://x/i.sh -o /tmp/i.sh && sh /tmp/i.sh": 1, "curl -fsSLO https://x/i.sh\nbash ./i.sh": 1, "wget https://x/i\nchmod +x i\n./i": 1, "curl https://x > i; sudo bash i": 1,
		// What is compared first, or is no program, is no fault.
		"curl https://x -o i && echo 'a  i' | sha256sum -c && sh i": 0, "curl https://x | python3 -c 'import json'": 0, "curl https://x | python3 read.py": 0,
		"curl https://x | node -e 'x'": 0, "curl https://x | perl -ne 'x'": 0, "curl https://x | jq .a; echo y | sh": 0, "curl https://x -o a.json && node b.js a.json": 0, "bash i.sh \"$(curl https://x)\"": 0,
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
		All(s)
	})
}
