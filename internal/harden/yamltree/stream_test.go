package yamltree

import (
	"strings"
	"testing"
)

func TestStream(t *testing.T) {
	docs, err := Stream("m", []byte("# nothing\n---\na: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: !vault |\n  text\nd: !reference [e, f]\n---\n---\n- 1\n"))
	if err != nil || len(docs) != 2 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	d := docs[0]
	if d.Get("b", "x").Value() != "1" || d.Get("b", "y").Value() != "3" || len(d.Get("b").Names()) != 2 {
		t.Errorf("merged: %v", d.Get("b").Plain())
	}
	if strings.TrimSpace(d.Get("c").Value()) != "text" || len(d.Get("d").List()) != 2 || d.Line != 3 {
		t.Errorf("tags of others: %v, line %d", d.Plain(), d.Line)
	}
	if len(docs[1].List()) != 1 {
		t.Errorf("a list: %v", docs[1].Plain())
	}
}

func TestStreamRefuses(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+2)
	for text, want := range map[string]string{
		"a: 1\na: 2\n":                        "stands twice",
		"a: {\n":                              "m:",
		deep:                                  "deeper",
		"a: \xff":                             "UTF-8",
		strings.Repeat("a\n---\n", 1001):      "documents",
		strings.Repeat(" ", MaxStream+1):      "bytes",
		"a: &a [x,x]\nb: &b [*a,*a]\nc: *d\n": "m:",
	} {
		if _, err := Stream("m", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestLooseValues(t *testing.T) {
	docs, err := Stream("m", []byte("a: true\nb: \nc: {}\nd: 1.5\ne: text\nf: 0x10\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := docs[0]
	if !d.Get("a").True() || d.Get("a").False() || d.Get("z").False() || d.Get("e").True() {
		t.Error("truth is wrong")
	}
	if !d.Get("b").Empty() || !d.Get("c").Empty() || !d.Get("z").Empty() || d.Get("e").Empty() || d.Get("b").Value() != "" {
		t.Error("emptiness is wrong")
	}
	if m, ok := d.Plain().(map[string]any); !ok || m["a"] != true || m["d"] != 1.5 || m["f"] != int64(16) || m["b"] != nil {
		t.Errorf("%v", d.Plain())
	}
	if At(nil, d.Get("z"), d.Get("d")) != 4 || At() != 1 {
		t.Error("lines are wrong")
	}
}

// Whatever is read by both readers is the same to both.
func FuzzStream(f *testing.F) {
	f.Add([]byte("a: &a {x: 1}\nb: {<<: *a}\n---\nc: [1, 2]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := Stream("m", data)
		one, strict := Parse("m", data)
		if strict == nil && (err != nil || len(docs) != 1) {
			t.Fatalf("the strict reader takes %q, the loose one not: %v", data, err)
		}
		for _, d := range docs {
			d.Plain()
		}
		if strict == nil && len(one.Names()) != len(docs[0].Names()) {
			t.Errorf("%q: %v and %v", data, one.Names(), docs[0].Names())
		}
	})
}
